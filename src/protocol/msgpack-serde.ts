import { Packr } from 'msgpackr';
import type { Serde } from '../api/serde.js';
import { MillraceError } from '../base/errors.js';

/**
 * The default serialiser of state and of records between tasks: MessagePack through msgpackr.
 *
 * Keeps what JSON keeps, and also `undefined`, Date, Map, Set, bigint, bytes and typed arrays. An instance of a class comes
 * back as a plain object of its fields (of what its `toJSON` returns, if it has one). A function or a symbol anywhere in a
 * value is refused: msgpackr alone would store a function as `undefined`, and the loss would show only after a restore.
 *
 * Plain objects are written as MessagePack maps, the fastest form that needs no dictionary beside the value. A JS Map has
 * the same form, so a value that holds one is written by a second packer, which writes objects as msgpackr's records, and
 * is marked by a leading byte that MessagePack never uses. Values without a Map, nearly all, pay nothing for this.
 */

/** Marks bytes of the second form. 0xc1 is the one byte that MessagePack leaves unused. */
const WITH_MAPS = 0xc1;
/** msgpackr: start writing at the beginning of its buffer again, as earlier results are no longer needed. */
const RESET_BUFFER = 1024;

class MapMetError extends Error {}
const mapMet = new MapMetError('a Map was met');

class ObjectPackr extends Packr {
  /** msgpackr asks for this option exactly when it is about to write a Map: the moment to change to the other packer. */
  get mapAsEmptyObject(): boolean {
    throw mapMet;
  }
}

function refuseFunction(): never {
  throw new TypeError('a function cannot be serialised');
}

export class MessagePackSerde<T> implements Serde<T> {
  readonly name = 'msgpack';
  readonly #objects: Packr = new ObjectPackr({
    useRecords: false,
    mapsAsObjects: true,
    moreTypes: true,
    copyBuffers: true,
    writeFunction: refuseFunction,
  });
  #maps: Packr | null = null;

  serialise(value: T): Uint8Array {
    try {
      return this.#objects.encode(value, RESET_BUFFER);
    } catch (error) {
      if (error !== mapMet) throw serialisationError(value, error);
    }
    try {
      const body = this.#mapPacker().encode(value, RESET_BUFFER);
      const bytes = Buffer.allocUnsafe(body.length + 1);
      bytes[0] = WITH_MAPS;
      bytes.set(body, 1);
      return bytes;
    } catch (error) {
      throw serialisationError(value, error);
    }
  }

  deserialise(bytes: Uint8Array): T {
    if (bytes[0] === WITH_MAPS) return this.#mapPacker().decode(bytes.subarray(1)) as T;
    return this.#objects.decode(bytes) as T;
  }

  #mapPacker(): Packr {
    this.#maps ??= new Packr({
      useRecords: true,
      mapsAsObjects: false,
      moreTypes: true,
      copyBuffers: true,
      writeFunction: refuseFunction,
    });
    return this.#maps;
  }
}

function serialisationError(value: unknown, cause: unknown): MillraceError {
  const place = findUnserialisable(value);
  const what = place === null ? 'a value' : `${place.what} at '${place.path}'`;
  return new MillraceError('MILLRACE_SERIALISATION_FAILED', `${what} has no MessagePack form`, {
    ...(place === null ? {} : { details: { path: place.path } }),
    hint: 'Keep plain data in records and state: no functions, symbols or cycles. Or give a serde of your own.',
    cause,
  });
}

/** Where in a value something lies that has no MessagePack form, as a path like `$.items[3].done`. */
export interface UnserialisablePlace {
  readonly path: string;
  readonly what: string;
}

/**
 * Searches a value for the part that made serialising fail. Slow, and only called after a failure.
 *
 * @returns `null` when nothing is wrong with the value's shape.
 */
export function findUnserialisable(value: unknown): UnserialisablePlace | null {
  return search(value, '$', new Set());
}

/** Deeper than this, msgpackr would run out of stack before us. */
const DEPTH_MAX = 1000;

function search(value: unknown, path: string, ancestors: Set<unknown>): UnserialisablePlace | null {
  if (typeof value === 'function') return { path, what: 'a function' };
  if (typeof value === 'symbol') return { path, what: 'a symbol' };
  if (typeof value !== 'object' || value === null) return null;
  if (ancestors.has(value)) return { path, what: 'a cycle' };
  if (ancestors.size > DEPTH_MAX) return { path, what: 'a value nested too deeply' };
  if (ArrayBuffer.isView(value) || value instanceof Date) return null;
  ancestors.add(value);
  const found = searchWithin(value, path, ancestors);
  ancestors.delete(value);
  return found;
}

function searchWithin(value: object, path: string, ancestors: Set<unknown>): UnserialisablePlace | null {
  for (const [place, part] of partsOf(value, path)) {
    const found = search(part, place, ancestors);
    if (found !== null) return found;
  }
  return null;
}

function* partsOf(value: object, path: string): Generator<[path: string, part: unknown]> {
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++) yield [`${path}[${index}]`, value[index]];
  } else if (value instanceof Map) {
    for (const [key, item] of value) {
      yield [`${path}.keys()`, key];
      yield [`${path}.get(${typeof key === 'string' ? `'${key}'` : String(key)})`, item];
    }
  } else if (value instanceof Set) {
    for (const item of value) yield [`${path}.values()`, item];
  } else {
    for (const [name, field] of Object.entries(value)) yield [`${path}.${name}`, field];
  }
}
