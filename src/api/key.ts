/**
 * What a record may be keyed by: text, a number, a boolean, bytes, or an array or plain object of those. Two objects with
 * equal fields are one key. `undefined` and `null` are none: a key that may be missing is a compile error.
 *
 * @public
 */
export type Key = string | number | bigint | boolean | object;
