import { describe, expect, it } from 'vitest';

import { parseJsonBody } from '../../../src/http/json-body.js';

const MIB = 1024 * 1024;
const parse = (text: string): ReturnType<typeof parseJsonBody> => parseJsonBody(Buffer.from(text));

describe('parseJsonBody', () => {
  it('takes an empty body for none', () => {
    expect(parse('')).toEqual({ value: undefined, fault: null });
  });

  it('survives a body that is nested as deep as it is long', () => {
    const depth = MIB / 2;
    expect(parse('['.repeat(depth) + ']'.repeat(depth)).fault).toBeNull();
    expect(parse('['.repeat(MIB)).fault).toMatchObject({ offset: MIB });
    // With an escape in it every level is looked at.
    expect(parse(`${'['.repeat(100_000)}"\\u0041"${']'.repeat(100_000)}`).fault).toBeNull();
  });

  it('survives one string as long as a body may be, and finds where it breaks', () => {
    const text = `"${'x'.repeat(MIB)}`;
    expect(parse(`${text}"`).fault).toBeNull();
    expect(parse(text).fault).toMatchObject({ offset: MIB + 1, message: 'the body ends within a string' });
    expect(parse(`${text}\n"`).fault).toMatchObject({ line: 1, column: MIB + 2 });
  });

  it.each([
    ['', undefined],
    ['{', 'the body ends where a property name in double quotes or "}" is expected'],
    ['{"a"', 'the body ends where ":" is expected'],
    ['{"a":', 'the body ends where a value is expected'],
    ['{"a":1,}', '"}" where a property name in double quotes is expected'],
    ['[1 2]', '"2" where "," or the closing bracket is expected'],
    ['[1}', '"}" where "," or the closing bracket is expected'],
    ['01', '"1" where the end of the body is expected'],
    ['"\\x"', 'an escape that JSON does not know'],
    ['"\t"', 'a control character within a string'],
    ["{'a':1}", '"\'" where a property name in double quotes or "}" is expected'],
    ['😀', '"😀" where a value is expected'],
    [' ', 'the body ends where a value is expected'],
  ])('says of %j: %s', (text, message) => {
    expect(parse(text).fault?.message).toBe(message);
  });
});
