import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalKey } from '../../../src/api/internal/key-bytes.js';
import type { Namespace } from '../../../src/api/internal/state-backend.js';
import {
  compareBytes,
  compareElements,
  elementBytesMax,
  isLongerElement,
  prefixEnd,
  RowKeyReader,
  rowKeyBytesMax,
  writeElement,
  writeRowKey,
  writeRowPrefix,
} from '../../../src/state/key-encoding.js';

const text = fc.oneof(
  fc.string({ unit: 'grapheme' }),
  fc.string({ unit: fc.constantFrom('\u0000', 'a', '\u00ff', '\ue000', '\u{1f600}', 'é') }),
  fc.string({ minLength: 60, maxLength: 80 }),
);
const integer = fc.oneof(fc.maxSafeInteger(), fc.integer({ min: -300, max: 300 }), fc.constantFrom(0, 255, 256, -255));
const fraction = fc.double({ noNaN: true }).filter((value) => !Number.isSafeInteger(value));
const composite = fc.oneof(
  fc.array(fc.oneof(integer, text, fc.boolean()), { maxLength: 4 }),
  fc.dictionary(text, fc.oneof(integer, text), { maxKeys: 4, noNullPrototype: true }),
);
const element: fc.Arbitrary<unknown> = fc.oneof(
  text,
  integer,
  fraction,
  fc.boolean(),
  fc.bigInt({ min: -(2n ** 200n), max: 2n ** 200n }),
  fc.uint8Array({ maxLength: 20 }),
  composite,
);
const namespace: fc.Arbitrary<Namespace> = fc.oneof(fc.constant(''), text, integer);
const rowKey = fc.record({
  keyGroup: fc.nat(1023),
  stateId: fc.nat(0xffff),
  key: element,
  namespace,
  subKey: fc.option(element, { nil: undefined }),
});

function encode(value: unknown): Buffer {
  const bytes = Buffer.alloc(elementBytesMax(value), 0xee);
  return bytes.subarray(0, writeElement(bytes, 0, value));
}

function encodeRow(row: {
  keyGroup: number;
  stateId: number;
  key: unknown;
  namespace: Namespace;
  subKey: unknown;
}): Buffer {
  const bytes = Buffer.alloc(rowKeyBytesMax(row.key, row.namespace, row.subKey), 0xee);
  const end = writeRowKey(bytes, 0, row.keyGroup, row.stateId, row.key, row.namespace, row.subKey);
  return bytes.subarray(0, end);
}

const sign = (value: number): number => Math.sign(value);

describe('row keys', () => {
  it('are read back as what was written, wherever they lie in a buffer', () => {
    fc.assert(
      fc.property(rowKey, fc.nat(9), (row, offset) => {
        const bytes = encodeRow(row);
        // What follows in the buffer must not be taken for part of the key: 0xff after a zero looks like an escape.
        const around = Buffer.concat([Buffer.alloc(offset, 0xaa), bytes, Buffer.alloc(8, 0xff)]);
        const reader = new RowKeyReader();
        reader.open(around, offset, offset + bytes.length);
        expect(canonicalKey(reader.readElement())).toBe(canonicalKey(row.key));
        expect(reader.readNamespace()).toBe(row.namespace);
        expect(reader.hasMore).toBe(row.subKey !== undefined);
        if (row.subKey !== undefined) expect(canonicalKey(reader.readElement())).toBe(canonicalKey(row.subKey));
        expect(reader.hasMore).toBe(false);
      }),
    );
  });

  it('keep strings that UTF-8 cannot hold apart', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('\ud800', '\udc00', '\ufffd', '\u0000', 'x') }), (value) => {
        const reader = new RowKeyReader();
        const bytes = encodeRow({ keyGroup: 0, stateId: 0, key: value, namespace: '', subKey: undefined });
        reader.open(bytes, 0, bytes.length);
        expect(reader.readElement()).toBe(value);
      }),
      { examples: [['\u0000\ud800\u0000\u0000\u0000\u0000']] },
    );
  });

  it('are told apart by the byte that follows, when one element begins with all bytes of another', () => {
    fc.assert(
      fc.property(element, element, (a, b) => {
        fc.pre(canonicalKey(a) !== canonicalKey(b));
        const [aBytes, bBytes] = [encode(a), encode(b)];
        const isPrefix = bBytes.subarray(0, aBytes.length).equals(aBytes);
        expect(isPrefix && !isLongerElement(bBytes[aBytes.length])).toBe(false);
        expect(isLongerElement(bBytes[0])).toBe(false);
      }),
      {
        examples: [
          ['', '\u0000'],
          ['a', 'a\u0000b'],
        ],
      },
    );
  });

  it('order integers as numbers, fractions as numbers, and strings by code point', () => {
    fc.assert(
      fc.property(fc.oneof(fc.tuple(integer, integer), fc.tuple(fraction, fraction)), ([a, b]) => {
        expect(sign(Buffer.compare(encode(a), encode(b)))).toBe(sign(a < b ? -1 : a > b ? 1 : 0));
      }),
    );
    fc.assert(
      fc.property(text, text, (a, b) => {
        const byCodePoint = Buffer.compare(Buffer.from(a, 'utf8'), Buffer.from(b, 'utf8'));
        expect(sign(Buffer.compare(encode(a), encode(b)))).toBe(sign(byCodePoint));
      }),
    );
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 130n), max: 2n ** 130n }), fc.bigInt(), (a, b) => {
        expect(sign(Buffer.compare(encode(a), encode(b)))).toBe(a < b ? -1 : a > b ? 1 : 0);
      }),
    );
  });

  it('order tuples by key group, state, key, namespace, then sub key', () => {
    fc.assert(
      fc.property(rowKey, rowKey, (a, b) => {
        fc.pre((a.subKey === undefined) === (b.subKey === undefined));
        const parts: number[] = [
          a.keyGroup - b.keyGroup,
          a.stateId - b.stateId,
          Buffer.compare(encode(a.key), encode(b.key)),
          compareNamespaces(a.namespace, b.namespace),
          a.subKey === undefined ? 0 : Buffer.compare(encode(a.subKey), encode(b.subKey)),
        ];
        const [aBytes, bBytes] = [encodeRow(a), encodeRow(b)];
        const expected = sign(parts.find((part) => part !== 0) ?? 0);
        expect(sign(Buffer.compare(aBytes, bBytes))).toBe(expected);
        expect(sign(compareBytes(aBytes, 0, aBytes.length, bBytes, 0, bBytes.length))).toBe(expected);
      }),
    );
  });

  it('of one key and namespace are exactly those in the range of its prefix', () => {
    fc.assert(
      fc.property(rowKey, rowKey, fc.boolean(), (row, other, isSame) => {
        const key = isSame ? row.key : other.key;
        const prefixBytes = Buffer.alloc(rowKeyBytesMax(key, row.namespace, undefined));
        const prefix = prefixBytes.subarray(
          0,
          writeRowPrefix(prefixBytes, 0, row.keyGroup, row.stateId, key, row.namespace),
        );
        const bytes = encodeRow(row);
        const isInRange = Buffer.compare(prefix, bytes) <= 0 && Buffer.compare(bytes, prefixEnd(prefix)) < 0;
        expect(isInRange).toBe(canonicalKey(row.key) === canonicalKey(key));
      }),
    );
  });

  it('compare in memory as their bytes do', () => {
    fc.assert(
      fc.property(element, element, (a, b) => {
        expect(sign(compareElements(a, b))).toBe(sign(Buffer.compare(encode(a), encode(b))));
      }),
    );
  });
});

function compareNamespaces(a: Namespace, b: Namespace): number {
  const encodeNamespace = (value: Namespace): Buffer => (value === '' ? Buffer.of(0) : encode(value));
  return Buffer.compare(encodeNamespace(a), encodeNamespace(b));
}
