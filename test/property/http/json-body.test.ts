import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { parseJsonBody } from '../../../src/http/json-body.js';
import { locateJsonFault } from '../../../src/http/json-syntax.js';

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** Texts that are nearly JSON: a document with one character put in, taken out or replaced. */
const nearlyJson = fc
  .tuple(
    fc.json({ maxDepth: 4 }),
    fc.nat(),
    fc.constantFrom('insert', 'remove', 'replace'),
    fc.constantFrom(...Array.from('{}[]",:\\ \n\t01-+.eEtfnu/\u0000é')),
  )
  .map(([text, at, edit, character]) => {
    const index = at % (text.length + 1);
    const rest = text.slice(edit === 'insert' ? index : index + 1);
    return text.slice(0, index) + (edit === 'remove' ? '' : character) + rest;
  });

const fragments = fc
  .array(
    fc.constantFrom('{', '}', '[', ']', '"a"', ':', ',', '1', '-', '0.5', 'e3', 'true', 'nul', '"', '\\', '\\u00', ' '),
  )
  .map((parts) => parts.join(''));

describe('the search for the place where JSON breaks, for any text', () => {
  it('finds one exactly when the text is not JSON', () => {
    fc.assert(
      fc.property(fc.oneof(nearlyJson, fragments, fc.string()), (text) => {
        expect(locateJsonFault(text) === null).toBe(isJson(text));
      }),
      { numRuns: 3_000 },
    );
  });

  it('points at the first character that cannot be continued to JSON', () => {
    fc.assert(
      fc.property(nearlyJson, (text) => {
        const fault = locateJsonFault(text);
        if (fault === null) return;
        const before = Buffer.from(text).subarray(0, fault.offset).toString();
        // All before the place is still the beginning of some JSON: its own search breaks nowhere but at its end.
        const beforeFault = locateJsonFault(before);
        expect(beforeFault === null || beforeFault.offset === fault.offset).toBe(true);
        const lines = before.split('\n');
        expect(fault.line).toBe(lines.length);
        expect(fault.column).toBe((lines.at(-1)?.length ?? 0) + 1);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('parsing a body, for any JSON', () => {
  it('gives what JSON.parse gives, unless a property name could poison a prototype', () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        const parsed = parseJsonBody(Buffer.from(text));
        if (/"(?:__proto__|constructor)"/.test(text)) return;
        expect(parsed).toEqual({ value: JSON.parse(text) as unknown, fault: null });
      }),
    );
  });

  it('lets no __proto__ property through, however deep and however spelt', () => {
    const name = fc.constantFrom('__proto__', '\\u005f_proto__', '__pro\\u0074o__', '\\u005F\\u005Fproto\\u005f_');
    const wrap = fc.array(fc.constantFrom('[@]', '{"a":@}', '[1,@,{}]', '{"b":2,"c/d":@}'), { maxLength: 6 });
    fc.assert(
      fc.property(name, wrap, (spelling, wraps) => {
        const text = wraps.reduce((inner, around) => around.replace('@', () => inner), `{"${spelling}":{}}`);
        expect(parseJsonBody(Buffer.from(text)).fault?.pointer).toMatch(/\/__proto__$/);
      }),
    );
  });
});
