/**
 * Turns values into bytes and back. One instance serves one thread; it may keep scratch memory. What it throws fails the
 * record, or the reading of state, with `MILLRACE_SERIALISATION_FAILED` or `MILLRACE_DESERIALISATION_FAILED`.
 *
 * Those of the package: {@link jsonSerde}, {@link stringSerde}, {@link bytesSerde}.
 *
 * @public
 */
export interface Serde<T> {
  /** Names the format in the job graph: two ends of an edge must agree. */
  readonly name: string;
  /** Makes bytes of a value. They may be reused by the next call: copy what is kept. Throws on a value it cannot represent. */
  serialise(value: T): Uint8Array;
  /** Makes a value of bytes, which are only valid during the call. Throws on bytes that it did not write. */
  deserialise(bytes: Uint8Array): T;
}
