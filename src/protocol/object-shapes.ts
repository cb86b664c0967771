/**
 * Objects between two tasks, written by their shape: the names of their fields in order.
 *
 * A stream's objects have a few shapes. A channel names each shape once, where its first object lies; the objects themselves
 * carry values alone, and both ends have a function of their own for each shape, so that its call sites see one kind of object.
 *
 * ```text
 * object      u16 shape                                   a shape that this channel has named before
 *             u16 shape | 0x8000, u32 length, names       one that it names here, as a JSON array in UTF-8
 *             then the value of each field, in order
 * value       u8 tag, then
 *             UNDEFINED, NULL, FALSE, TRUE                nothing
 *             INT32      i32
 *             FLOAT64    f64
 *             SHORT_TEXT u8 length, ASCII
 *             ASCII      u32 length, ASCII
 *             UTF8       u32 length, UTF-8
 *             OBJECT     object
 *             ARRAY      u32 count, values
 *             SERIALISED u32 length, the form of the stream's serialiser: whatever else there is
 * ```
 *
 * What comes out equals what the serialiser would have given; only minus zero, which that makes a zero of, stays.
 */
export const UNDEFINED = 0;
export const NULL = 1;
export const FALSE = 2;
export const TRUE = 3;
export const INT32 = 4;
export const FLOAT64 = 5;
export const SHORT_TEXT = 6;
export const ASCII = 7;
export const UTF8 = 8;
export const OBJECT = 9;
export const ARRAY = 10;
export const SERIALISED = 11;

/** Set in the number of a shape whose names follow. */
export const NAMED_HERE = 0x8000;

/** Of one edge. Objects with ever new names, such as dictionaries, go through the serialiser beyond that. */
export const SHAPES_MAX = 32;

/** An object with more is no record of fields. */
export const FIELDS_MAX = 64;

/** Beyond that the serialiser takes over, which knows cycles. */
export const DEPTH_MAX = 16;

/** A text up to here is written character by character, without a call into native code. */
export const SHORT_TEXT_MAX = 64;
