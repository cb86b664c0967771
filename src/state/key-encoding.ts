import { canonicalKey } from '../api/internal/key-bytes.js';
import { VOID_NAMESPACE, type Namespace } from '../api/internal/state-backend.js';
import { MillraceError } from '../base/errors.js';

/**
 * Row keys: `[key group, state id, key, namespace]`, for map entries and timers also `[…, sub key]`, as bytes whose order is
 * the order of that tuple, and from which the tuple can be read back.
 *
 * ```text
 * key group u16 BE │ state id u16 BE │ element: key │ element: namespace │ element: sub key, if any
 *
 * element   00                          the void namespace
 *           01 bytes 00                 bytes; a zero byte within is written 00 FF
 *           0C │ 0D                     false, true
 *           19 … 27                     safe integer: 20 is zero, 20+n a positive one in n bytes, 20-n a negative one
 *           30 8 bytes                  any other number: IEEE 754, with the bits turned so that bytes compare as numbers
 *           38 length, magnitude        bigint
 *           40 UTF-8 00                 string; a zero byte within is written 00 FF
 *           41 UTF-16BE 00              string with a lone surrogate, which UTF-8 cannot hold
 *           50 UTF-8 00                 array or plain object: JSON with sorted fields
 * ```
 *
 * An element that begins with all bytes of another goes on with FF, which begins no element: so what follows a key, or a key and
 * namespace, tells whether a row is theirs. Kinds are ordered as in the list; strings by code point. Key groups come first so
 * that a shard can be split by range.
 */

const TAG_VOID = 0x00;
const TAG_BYTES = 0x01;
const TAG_FALSE = 0x0c;
const TAG_TRUE = 0x0d;
const TAG_INTEGER_ZERO = 0x20;
const TAG_NUMBER = 0x30;
const TAG_BIGINT = 0x38;
const TAG_STRING = 0x40;
const TAG_STRING_UTF16 = 0x41;
const TAG_JSON = 0x50;

const BIGINT_BYTES_MAX = 120;
/** Of key group and state id. */
export const ROW_KEY_HEADER_BYTES = 4;
/** State ids are u16. */
export const STATE_ID_MAX = 0xffff;

const numberScratch = new DataView(new ArrayBuffer(8));

/** An upper bound of the bytes that {@link writeElement} needs. */
export function elementBytesMax(value: unknown): number {
  if (typeof value === 'number') return 9;
  // A zero unit of a string in UTF-16 becomes two bytes, and each of them two.
  if (typeof value === 'string') return 4 * value.length + 2;
  if (value instanceof Uint8Array) return 2 * value.length + 2;
  if (typeof value === 'bigint') return BIGINT_BYTES_MAX + 2;
  if (typeof value === 'boolean') return 1;
  return 3 * canonicalKey(value).toString().length + 3;
}

/** An upper bound of the bytes that {@link writeRowKey} needs. `subKey` is `undefined` for a row that has none. */
export function rowKeyBytesMax(key: unknown, namespace: Namespace, subKey: unknown): number {
  const subKeyBytes = subKey === undefined ? 0 : elementBytesMax(subKey);
  return ROW_KEY_HEADER_BYTES + elementBytesMax(key) + elementBytesMax(namespace) + subKeyBytes;
}

/**
 * Writes a row key at `at`; the caller has made room.
 *
 * @returns the position after it.
 */
export function writeRowKey(
  target: Buffer,
  at: number,
  keyGroup: number,
  stateId: number,
  key: unknown,
  namespace: Namespace,
  subKey: unknown,
): number {
  target[at] = keyGroup >>> 8;
  target[at + 1] = keyGroup;
  target[at + 2] = stateId >>> 8;
  target[at + 3] = stateId;
  let end = writeElement(target, at + ROW_KEY_HEADER_BYTES, key);
  if (namespace === VOID_NAMESPACE) target[end++] = TAG_VOID;
  else end = writeElement(target, end, namespace);
  return subKey === undefined ? end : writeElement(target, end, subKey);
}

/** Writes the part of row keys that all rows of a key and namespace share. */
export function writeRowPrefix(
  target: Buffer,
  at: number,
  keyGroup: number,
  stateId: number,
  key: unknown,
  namespace: Namespace,
): number {
  return writeRowKey(target, at, keyGroup, stateId, key, namespace, undefined);
}

/** Whether the byte behind the prefix of a row shows that the row's last element there is a longer one than the prefix's. */
export function isLongerElement(byte: number | undefined): boolean {
  return byte === 0xff;
}

/** Writes one element. @returns the position after it. */
export function writeElement(target: Buffer, at: number, value: unknown): number {
  switch (typeof value) {
    case 'number':
      return Number.isSafeInteger(value) ? writeInteger(target, at, value) : writeNumber(target, at, value);
    case 'string':
      return writeString(target, at, value);
    case 'boolean':
      target[at] = value ? TAG_TRUE : TAG_FALSE;
      return at + 1;
    case 'bigint':
      return writeBigint(target, at, value);
    case 'object':
      if (value instanceof Uint8Array) return writeEscaped(target, at, TAG_BYTES, value);
      // The canonical form is a marker of two characters and the JSON.
      return writeEscaped(target, at, TAG_JSON, Buffer.from(canonicalKey(value).toString().slice(2), 'utf8'));
    default:
      throw new MillraceError('MILLRACE_SERIALISATION_FAILED', `a key of type ${typeof value} cannot be stored`, {
        hint: 'Use strings, numbers, booleans, or arrays or plain objects of those as keys.',
      });
  }
}

function writeInteger(target: Buffer, at: number, value: number): number {
  if (value === 0) {
    target[at] = TAG_INTEGER_ZERO;
    return at + 1;
  }
  const magnitude = value < 0 ? -value : value;
  const length = byteLengthOf(magnitude);
  // A negative number is the complement of its magnitude, so that a larger magnitude comes first.
  const flip = value < 0 ? 0xff : 0;
  target[at] = value < 0 ? TAG_INTEGER_ZERO - length : TAG_INTEGER_ZERO + length;
  let low = magnitude >>> 0;
  let position = at + length;
  const lowEnd = Math.max(at, position - 4);
  for (; position > lowEnd; position--) {
    target[position] = (low & 0xff) ^ flip;
    low >>>= 8;
  }
  if (position > at) {
    let high = Math.floor(magnitude / 0x100000000);
    for (; position > at; position--) {
      target[position] = (high & 0xff) ^ flip;
      high >>>= 8;
    }
  }
  return at + 1 + length;
}

function byteLengthOf(magnitude: number): number {
  if (magnitude < 0x100) return 1;
  if (magnitude < 0x10000) return 2;
  if (magnitude < 0x1000000) return 3;
  if (magnitude < 0x100000000) return 4;
  if (magnitude < 0x10000000000) return 5;
  if (magnitude < 0x1000000000000) return 6;
  return 7;
}

function writeNumber(target: Buffer, at: number, value: number): number {
  target[at] = TAG_NUMBER;
  numberScratch.setFloat64(0, value);
  const isNegative = numberScratch.getUint8(0) >= 0x80;
  for (let i = 0; i < 8; i++) {
    const byte = numberScratch.getUint8(i);
    target[at + 1 + i] = isNegative ? byte ^ 0xff : i === 0 ? byte | 0x80 : byte;
  }
  return at + 9;
}

function writeBigint(target: Buffer, at: number, value: bigint): number {
  const isNegative = value < 0n;
  let hex = (isNegative ? -value : value).toString(16);
  if (hex.length % 2 === 1) hex = `0${hex}`;
  const length = hex.length / 2;
  if (length > BIGINT_BYTES_MAX) {
    throw new MillraceError('MILLRACE_SERIALISATION_FAILED', `a bigint key of ${length} bytes is too large`, {
      hint: `Keys that are bigints may have up to ${BIGINT_BYTES_MAX} bytes; use a string.`,
    });
  }
  target[at] = TAG_BIGINT;
  target[at + 1] = isNegative ? 0x80 - length : 0x80 + length;
  target.write(hex, at + 2, 'hex');
  if (isNegative) for (let i = 0; i < length; i++) target[at + 2 + i] = (target[at + 2 + i] as number) ^ 0xff;
  return at + 2 + length;
}

function writeString(target: Buffer, at: number, value: string): number {
  const length = value.length;
  target[at] = TAG_STRING;
  let end = at + 1;
  if (length <= 64) {
    let index = 0;
    for (; index < length; index++) {
      const unit = value.charCodeAt(index);
      if (unit === 0 || unit > 0x7f) break;
      target[end++] = unit;
    }
    if (index === length) {
      target[end] = 0;
      return end + 1;
    }
  }
  return writeAnyString(target, at, value);
}

function writeAnyString(target: Buffer, at: number, value: string): number {
  if (/\p{Surrogate}/u.test(value)) {
    return writeEscaped(target, at, TAG_STRING_UTF16, Buffer.from(value, 'utf16le').swap16());
  }
  if (value.includes('\u0000')) return writeEscaped(target, at, TAG_STRING, Buffer.from(value, 'utf8'));
  target[at] = TAG_STRING;
  const end = at + 1 + target.write(value, at + 1, 'utf8');
  target[end] = 0;
  return end + 1;
}

function writeEscaped(target: Buffer, at: number, tag: number, bytes: Uint8Array): number {
  target[at] = tag;
  let end = at + 1;
  for (const byte of bytes) {
    target[end++] = byte;
    if (byte === 0) target[end++] = 0xff;
  }
  target[end] = 0;
  return end + 1;
}

/** Reads row keys back, element by element. One instance per reader, opened for each row key. */
export class RowKeyReader {
  #source: Buffer = Buffer.alloc(0);
  #at = 0;
  #end = 0;

  /** Places the reader on the row key `source[start, end)`, behind its key group and state id. */
  open(source: Buffer, start: number, end: number): void {
    this.#source = source;
    this.#at = start + ROW_KEY_HEADER_BYTES;
    this.#end = end;
  }

  /** Where the next element starts. */
  get position(): number {
    return this.#at;
  }

  get hasMore(): boolean {
    return this.#at < this.#end;
  }

  readNamespace(): Namespace {
    if (this.#source[this.#at] !== TAG_VOID) return this.readElement() as Namespace;
    this.#at += 1;
    return VOID_NAMESPACE;
  }

  readElement(): unknown {
    const tag = this.#source[this.#at] as number;
    if (tag >= TAG_INTEGER_ZERO - 7 && tag <= TAG_INTEGER_ZERO + 7) return this.#readInteger(tag);
    switch (tag) {
      case TAG_STRING:
        return this.#readText().toString('utf8');
      case TAG_STRING_UTF16:
        return Buffer.from(this.#readText()).swap16().toString('utf16le');
      case TAG_JSON:
        return JSON.parse(this.#readText().toString('utf8'));
      case TAG_BYTES:
        return new Uint8Array(this.#readText());
      case TAG_FALSE:
      case TAG_TRUE:
        this.#at += 1;
        return tag === TAG_TRUE;
      case TAG_NUMBER:
        return this.#readNumber();
      case TAG_BIGINT:
        return this.#readBigint();
      default:
        throw new MillraceError('MILLRACE_STATE_CORRUPT', `a row key holds the unknown tag ${tag}`);
    }
  }

  #readInteger(tag: number): number {
    const length = tag > TAG_INTEGER_ZERO ? tag - TAG_INTEGER_ZERO : TAG_INTEGER_ZERO - tag;
    const flip = tag < TAG_INTEGER_ZERO ? 0xff : 0;
    const end = this.#at + 1 + length;
    let magnitude = 0;
    for (let at = this.#at + 1; at < end; at++) magnitude = magnitude * 256 + ((this.#source[at] as number) ^ flip);
    this.#at = end;
    return flip === 0 ? magnitude : -magnitude;
  }

  #readNumber(): number {
    const at = this.#at + 1;
    const isNegative = (this.#source[at] as number) < 0x80;
    for (let i = 0; i < 8; i++) {
      const byte = this.#source[at + i] as number;
      numberScratch.setUint8(i, isNegative ? byte ^ 0xff : i === 0 ? byte & 0x7f : byte);
    }
    this.#at = at + 8;
    return numberScratch.getFloat64(0);
  }

  #readBigint(): bigint {
    const head = this.#source[this.#at + 1] as number;
    const start = this.#at + 2;
    const end = start + Math.abs(head - 0x80);
    const bytes = Buffer.from(this.#source.subarray(start, end));
    if (head < 0x80) for (let i = 0; i < bytes.length; i++) bytes[i] = (bytes[i] as number) ^ 0xff;
    this.#at = end;
    const magnitude = BigInt(`0x${bytes.toString('hex')}`);
    return head < 0x80 ? -magnitude : magnitude;
  }

  /** The bytes of an element that ends in an unescaped zero; a view, unless something was escaped. */
  #readText(): Buffer {
    const source = this.#source;
    let from = this.#at + 1;
    let zero = this.#zeroAfter(from);
    let parts: Buffer[] | null = null;
    while (zero + 1 < this.#end && source[zero + 1] === 0xff) {
      parts ??= [];
      parts.push(source.subarray(from, zero + 1));
      from = zero + 2;
      zero = this.#zeroAfter(from);
    }
    this.#at = zero + 1;
    const last = source.subarray(from, zero);
    return parts === null ? last : Buffer.concat([...parts, last]);
  }

  #zeroAfter(at: number): number {
    const zero = this.#source.indexOf(0, at);
    if (zero >= 0 && zero < this.#end) return zero;
    throw new MillraceError('MILLRACE_STATE_CORRUPT', 'a row key ends within an element');
  }
}

/** Compares `a[aStart, aEnd)` with `b[bStart, bEnd)` as bytes. Row keys are short: a loop beats a call into native code. */
export function compareBytes(
  a: Uint8Array,
  aStart: number,
  aEnd: number,
  b: Uint8Array,
  bStart: number,
  bEnd: number,
): number {
  const length = Math.min(aEnd - aStart, bEnd - bStart);
  for (let i = 0; i < length; i++) {
    const difference = (a[aStart + i] as number) - (b[bStart + i] as number);
    if (difference !== 0) return difference;
  }
  return aEnd - aStart - (bEnd - bStart);
}

/** Compares two keys as their encoded forms compare; strings and numbers without encoding them. */
export function compareElements(a: unknown, b: unknown): number {
  if (typeof a === 'string' && typeof b === 'string') return compareStrings(a, b);
  if (Number.isSafeInteger(a) && Number.isSafeInteger(b)) return (a as number) - (b as number);
  const aBytes = Buffer.alloc(elementBytesMax(a));
  const bBytes = Buffer.alloc(elementBytesMax(b));
  return compareBytes(aBytes, 0, writeElement(aBytes, 0, a), bBytes, 0, writeElement(bBytes, 0, b));
}

/**
 * By code point, as UTF-8 bytes compare. UTF-16 units differ from that only where a surrogate meets a unit above the
 * surrogates.
 */
function compareStrings(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const aUnit = a.charCodeAt(i);
    const bUnit = b.charCodeAt(i);
    if (aUnit === bUnit) continue;
    if (aUnit < 0xd800 || bUnit < 0xd800) return aUnit - bUnit;
    return codePointRank(aUnit) - codePointRank(bUnit);
  }
  return a.length - b.length;
}

function codePointRank(unit: number): number {
  return unit >= 0xe000 ? unit - 0x800 : unit + 0x2000;
}

/** Smallest bytes that are greater than everything starting with `prefix`: the end of a range. */
export function prefixEnd(prefix: Uint8Array): Buffer {
  const end = Buffer.from(prefix);
  for (let at = end.length - 1; at >= 0; at--) {
    if (end[at] !== 0xff) {
      end[at] = (end[at] as number) + 1;
      return end.subarray(0, at + 1);
    }
  }
  return Buffer.of(0xff);
}
