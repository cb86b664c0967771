import type { Serde } from './serde.js';

/** JSON as UTF-8. The type is the caller's word: what a topic holds is not checked. Throws on `undefined` and on functions. @public */
export function jsonSerde<T>(): Serde<T> {
  return {
    name: 'json',
    serialise: (value) => {
      const text = JSON.stringify(value) as string | undefined;
      if (text === undefined) throw new TypeError(`a value of type ${typeof value} has no JSON`);
      return Buffer.from(text, 'utf8');
    },
    deserialise: (bytes) => JSON.parse(asBuffer(bytes).toString('utf8')) as T,
  };
}

/** Text as UTF-8. @public */
export function stringSerde(): Serde<string> {
  return {
    name: 'string',
    serialise: (value) => Buffer.from(value, 'utf8'),
    deserialise: (bytes) => asBuffer(bytes).toString('utf8'),
  };
}

/** Bytes as they are, copied when read. @public */
export function bytesSerde(): Serde<Uint8Array> {
  return { name: 'bytes', serialise: (value) => value, deserialise: (bytes) => new Uint8Array(bytes) };
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
