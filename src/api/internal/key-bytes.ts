import { MillraceError } from '../../base/errors.js';
import type { KeyGroup } from '../../base/ids.js';
import { keyGroupOfBytes, keyGroupOfInt32 } from './key-groups.js';

/**
 * A key's bytes, which decide its key group. Strings are UTF-8 and safe integers eight bytes, big-endian: what Kafka's
 * `StringSerializer` and `LongSerializer` write, so that its producers reach the same shard. Other numbers are their
 * IEEE 754 bits; booleans one byte; everything else (arrays, plain objects) the UTF-8 of its JSON with sorted fields.
 */
const scratch = Buffer.allocUnsafe(64 * 1024);
const scratchView = new DataView(scratch.buffer, scratch.byteOffset, scratch.byteLength);

/** Hashes a key without allocating, for the common kinds of key. Any thread; each thread has its own scratch memory. */
export function keyGroupOf(key: unknown): KeyGroup {
  if (typeof key === 'number') {
    return (key | 0) === key ? keyGroupOfInt32(key) : keyGroupOfBytes(scratch, 0, writeNumber(key));
  }
  if (typeof key === 'string' && key.length * 3 <= scratch.length) {
    return keyGroupOfBytes(scratch, 0, writeShortString(key));
  }
  const bytes = keyToBytes(key);
  return keyGroupOfBytes(bytes, 0, bytes.length);
}

/** Writes the eight bytes of a number. @returns 8 */
function writeNumber(key: number): number {
  if (Number.isSafeInteger(key)) {
    // Two 32-bit halves: a BigInt would allocate on every record.
    scratchView.setInt32(0, Math.floor(key / 4294967296));
    scratchView.setUint32(4, key >>> 0);
  } else {
    scratchView.setFloat64(0, key);
  }
  return 8;
}

/** ASCII, the common case, is copied by hand: for short keys a call into native code costs more than the loop. */
function writeShortString(key: string): number {
  const length = key.length;
  if (length > 64) return scratch.write(key, 0, 'utf8');
  for (let i = 0; i < length; i++) {
    const unit = key.charCodeAt(i);
    if (unit > 0x7f) return scratch.write(key, 0, 'utf8');
    scratch[i] = unit;
  }
  return length;
}

/** A key's bytes as memory of its own, for what is stored or sent. */
export function keyToBytes(key: unknown): Uint8Array {
  switch (typeof key) {
    case 'string':
      return Buffer.from(key, 'utf8');
    case 'number': {
      return Buffer.from(scratch.subarray(0, writeNumber(key)));
    }
    case 'boolean':
      return Buffer.from([key ? 1 : 0]);
    case 'bigint': {
      const bytes = Buffer.alloc(8);
      bytes.writeBigInt64BE(BigInt.asIntN(64, key));
      return bytes;
    }
    case 'object':
      if (key === null) throw withoutKey(key);
      if (key instanceof Uint8Array) return key;
      return Buffer.from(canonicalJson(key), 'utf8');
    case 'undefined':
      throw withoutKey(key);
    default:
      throw new MillraceError('MILLRACE_SERIALISATION_FAILED', `a key of type ${typeof key} has no bytes`, {
        hint: 'Return a string, a number, or an array or plain object of those from the key selector.',
      });
  }
}

/** What to throw for a record whose key selector gave nothing. */
export function withoutKey(key: null | undefined): MillraceError {
  return new MillraceError('MILLRACE_STATE_NO_KEY', `the key of a record is ${String(key)}`, {
    hint: 'Let the key selector give each record a key, or filter out those that have none.',
  });
}

/**
 * The form under which a key is looked up in memory: strings and numbers stand for themselves, any other key for a string
 * that no string key can equal, so that two equal composite keys meet although they are two objects.
 */
export function canonicalKey(key: unknown): string | number {
  if (typeof key === 'number' || typeof key === 'string') return key;
  if (key instanceof Uint8Array) return `\u0000b${Buffer.from(key).toString('latin1')}`;
  if (typeof key === 'bigint') return `\u0000n${key.toString()}`;
  if (typeof key === 'boolean') return `\u0000t${String(key)}`;
  return `\u0000j${canonicalJson(key)}`;
}

function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_name, field: unknown) => {
    if (typeof field !== 'object' || field === null || Array.isArray(field)) return field;
    return Object.fromEntries(Object.entries(field).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}
