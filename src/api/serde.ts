/**
 * Turns values into bytes and back. One instance serves one thread; it may keep scratch memory.
 *
 * @public
 */
export interface Serde<T> {
  /** Names the format in the job graph: two ends of an edge must agree. */
  readonly name: string;
  /** The returned bytes may be reused by the next call: copy what is kept. Throws on a value it cannot represent. */
  serialise(value: T): Uint8Array;
  /** `bytes` is only valid during the call. */
  deserialise(bytes: Uint8Array): T;
}
