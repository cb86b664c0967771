/**
 * Finds where a text stops being JSON. `JSON.parse` decides whether it is; its message gives no position for half of the
 * faults, and other words with every release of the runtime. So this runs only on a text that was refused already.
 *
 * Iterative: a text nested a million deep costs a stack of a million bits and no recursion.
 */

/** Where a JSON text breaks. Counted as editors count: lines and columns from 1, the offset in bytes of UTF-8 from 0. */
export interface JsonFault {
  readonly offset: number;
  readonly line: number;
  readonly column: number;
  readonly message: string;
}

/** What the grammar allows next. */
type Expectation = 'value' | 'first-element' | 'first-key' | 'key' | 'colon' | 'separator' | 'end';

/** Tokens without a loop inside an alternative: an expression that backtracks over a megabyte would exhaust its stack. */
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const WORD = /true|false|null/y;
const SPACE = /[ \t\n\r]*/y;
const ESCAPE = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const FIRST_PRINTABLE = 0x20;

const EXPECTED: Readonly<Record<Expectation, string>> = {
  value: 'a value',
  'first-element': 'a value or "]"',
  'first-key': 'a property name in double quotes or "}"',
  key: 'a property name in double quotes',
  colon: '":"',
  separator: '"," or the closing bracket',
  end: 'the end of the body',
};

/** @returns the first fault, or `null` when the whole text is JSON. */
export function locateJsonFault(text: string): JsonFault | null {
  const scanner = new JsonScanner(text);
  const fault = scanner.run();
  return fault === null ? null : locate(text, fault.index, fault.message);
}

interface IndexedFault {
  readonly index: number;
  readonly message: string;
}

class JsonScanner {
  readonly #text: string;
  /** Open brackets, innermost last: true for an object. */
  readonly #isObject: boolean[] = [];
  #index = 0;

  constructor(text: string) {
    this.#text = text;
  }

  run(): IndexedFault | null {
    let expected: Expectation = 'value';
    for (;;) {
      this.#match(SPACE);
      if (this.#index === this.#text.length) {
        return expected === 'end' ? null : this.#fault(`the body ends where ${EXPECTED[expected]} is expected`);
      }
      const next = this.#step(expected);
      if (typeof next !== 'string') return next;
      expected = next;
    }
  }

  #step(expected: Expectation): Expectation | IndexedFault {
    const character = this.#text[this.#index] ?? '';
    switch (expected) {
      case 'value':
        return this.#value(character, expected);
      case 'first-element':
        return character === ']' ? this.#close() : this.#value(character, expected);
      case 'first-key':
        return character === '}' ? this.#close() : this.#key(character, expected);
      case 'key':
        return this.#key(character, expected);
      case 'colon':
        return character === ':' ? this.#advance('value') : this.#unexpected(expected);
      case 'separator':
        return this.#separator(character);
      case 'end':
        return this.#unexpected(expected);
    }
  }

  #value(character: string, expected: Expectation): Expectation | IndexedFault {
    if (character === '{' || character === '[') {
      this.#isObject.push(character === '{');
      return this.#advance(character === '{' ? 'first-key' : 'first-element');
    }
    if (character === '"') return this.#string() ?? this.#afterValue();
    if (this.#match(NUMBER) || this.#match(WORD)) return this.#afterValue();
    return this.#unexpected(expected);
  }

  #key(character: string, expected: Expectation): Expectation | IndexedFault {
    if (character !== '"') return this.#unexpected(expected);
    return this.#string() ?? 'colon';
  }

  #separator(character: string): Expectation | IndexedFault {
    const inObject = this.#isObject.at(-1) === true;
    if (character === ',') return this.#advance(inObject ? 'key' : 'value');
    if (character === (inObject ? '}' : ']')) return this.#close();
    return this.#unexpected('separator');
  }

  #close(): Expectation {
    this.#isObject.pop();
    this.#index += 1;
    return this.#afterValue();
  }

  #afterValue(): Expectation {
    return this.#isObject.length === 0 ? 'end' : 'separator';
  }

  #advance(next: Expectation): Expectation {
    this.#index += 1;
    return next;
  }

  #match(token: RegExp): boolean {
    token.lastIndex = this.#index;
    const hit = token.test(this.#text);
    if (hit) this.#index = token.lastIndex;
    return hit;
  }

  #unexpected(expected: Expectation): IndexedFault {
    const character = String.fromCodePoint(this.#text.codePointAt(this.#index) ?? 0);
    return this.#fault(`${JSON.stringify(character)} where ${EXPECTED[expected]} is expected`);
  }

  /** Passes a string. @returns what is wrong with it, or `null`. */
  #string(): IndexedFault | null {
    this.#index += 1;
    while (this.#index < this.#text.length) {
      const code = this.#text.charCodeAt(this.#index);
      if (code === QUOTE) {
        this.#index += 1;
        return null;
      }
      if (code < FIRST_PRINTABLE) return this.#fault('a control character within a string');
      if (code !== BACKSLASH) this.#index += 1;
      else if (!this.#match(ESCAPE)) return this.#fault('an escape that JSON does not know');
    }
    return this.#fault('the body ends within a string');
  }

  #fault(message: string): IndexedFault {
    return { index: this.#index, message };
  }
}

function locate(text: string, index: number, message: string): JsonFault {
  const before = text.slice(0, index);
  const lineStart = before.lastIndexOf('\n') + 1;
  let line = 1;
  for (let at = before.indexOf('\n'); at >= 0; at = before.indexOf('\n', at + 1)) line += 1;
  return { offset: Buffer.byteLength(before), line, column: index - lineStart + 1, message };
}
