import { describe, expect, it } from 'vitest';
import { MillraceError } from '../../../src/base/errors.js';
import { type JsonReader, jsonReader } from '../../../src/checkpoint/json-reader.js';

const read = (value: unknown): JsonReader =>
  jsonReader(Buffer.from(JSON.stringify(value)), (place) => new MillraceError('MILLRACE_STATE_CORRUPT', place));

describe('JsonReader', () => {
  it('reads fields of the type that is asked for', () => {
    const reader = read({
      a: 'x',
      b: null,
      c: 3,
      d: [1, 2],
      e: { f: 4 },
      g: [{ h: 5 }],
      i: { j: { k: 6 } },
      l: { m: ['n'] },
    });
    expect(reader.text('a')).toBe('x');
    expect(reader.textOrNull('a')).toBe('x');
    expect(reader.textOrNull('b')).toBeNull();
    expect(reader.oneOf('a', ['x', 'y'])).toBe('x');
    expect(reader.count('c')).toBe(3);
    expect(reader.countList('d')).toEqual([1, 2]);
    expect(reader.object('e').counts()).toEqual({ f: 4 });
    expect(reader.list('g', (item) => item.count('h'))).toEqual([5]);
    expect(reader.record('i', (item) => item.count('k'))).toEqual({ j: 6 });
    expect(reader.lists('l', (item) => item + item)).toEqual({ m: ['nn'] });
  });

  it('names the place of a field that is missing or of another type', () => {
    expect(() => read({}).text('a')).toThrow(/^a$/);
    expect(() => read({ a: 1 }).text('a')).toThrow(/^a$/);
    expect(() => read({ a: 'z' }).oneOf('a', ['x'])).toThrow(/^a$/);
    expect(() => read({ a: [{ b: {} }] }).list('a', (item) => item.object('b').count('c'))).toThrow('a[0].b.c');
    expect(() => read({ a: { b: [1] } }).lists('a', String)).toThrow('a.b[0]');
    expect(() => read([])).toThrow('JSON object');
  });

  it('does not take what every object inherits for a field', () => {
    expect(() => read({}).object('constructor')).toThrow('constructor');
    expect(() => read({}).text('toString')).toThrow('toString');
  });
});
