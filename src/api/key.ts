/**
 * What a record may be keyed by: text, a number, a boolean, bytes, or an array or plain object of those. Strings and safe
 * integers have the bytes that Kafka's own serialisers give them, so a topic that its producers keyed needs no shuffle. Two objects with
 * equal fields are one key. `undefined` and `null` are none: a key that may be missing is a compile error.
 *
 * @public
 */
export type Key = string | number | bigint | boolean | object;
