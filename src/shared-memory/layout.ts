/**
 * Every byte offset of the memory that threads share, in one place.
 *
 * A word that one thread writes often and another reads lies on a cache line (64 B) that holds no other such word, so that
 * a store on one side does not take the line away from the other side's word. `SharedRegion.take` aligns blocks to 64 B.
 * The words are Int32 in the machine's byte order: nothing of this leaves the process.
 *
 * A ring, {@link RING_HEADER_BYTES} + capacity:
 *
 * ```text
 *   +0    tail              position behind the last published frame        written by the producer
 *   +64   head              position up to which the consumer has taken     written by the consumer
 *   +128  producerBlocked   0, or the free units the producer waits for     set by the producer, cleared by either
 *   +192  data              capacityBytes, a power of two
 * ```
 *
 * Positions count units of 8 bytes in an Int32 that wraps; a position's place in the data is `position & (units - 1)`. They
 * are compared by difference, `(tail - head) | 0`, never by `<`.
 *
 * A frame in the data, padded to 8 bytes and never broken at the end of the ring:
 *
 * ```text
 *   +0    length     u32  bytes of payload
 *   +4    kind       u8   opaque here, 1 … MAX_FRAME_KIND; above that: wrap marker and fragments
 *   +5    reserved   u8   0
 *   +6    check      u16  hash of the frame's position: a reader off the rails, or a stale frame, is noticed at once
 *   +8    payload
 * ```
 *
 * A thread's control block, one per thread, the main thread included, {@link CONTROL_BLOCK_BYTES}:
 *
 * ```text
 *   +0    doorbell     counts rings; the thread sleeps on its value         added to by any thread
 *   +64   sleeping     1 between prepareToSleep and the wake-up             written by the owner
 *   +128  mailPosted   counts control messages posted to this thread        added to by any thread
 *   +192  state        index into the thread's life cycle                   written by the owner
 *   +196  heartbeat    counts turns of the thread's loop                    written by the owner
 *   +200  source       of the record that the thread works on               written by the owner
 *   +204  partition    of that record, plus 1; 0 when it works on none      written by the owner
 *   +208  offset       f64, of that record                                  written by the owner
 * ```
 */

/** Bytes of a cache line on x86-64; arm64 servers have the same, Apple's cores 128, where two words may share a line. */
export const CACHE_LINE_BYTES = 64;

// Ring control words, as Int32 indices from the start of the ring.
export const RING_TAIL = 0;
export const RING_HEAD = 16;
export const RING_PRODUCER_BLOCKED = 32;
export const RING_CONTROL_WORDS = 48;
export const RING_HEADER_BYTES = 192;

/** Positions count units of this many bytes; every frame starts at one. */
export const UNIT_BYTES = 8;
export const UNIT_SHIFT = 3;

/** Bytes before a frame's payload. */
export const FRAME_HEADER_BYTES = 8;

/** Largest kind that a frame may have; the kinds above belong to this layer. */
export const MAX_FRAME_KIND = 239;
/** One raw slice of a large frame. */
export const KIND_FRAGMENT = 253;
/** Announces a large frame: total length u32, kind u8, three bytes of padding; its fragments follow. */
export const KIND_FRAGMENTED = 254;
/** Fills the room up to the end of the ring; the next frame is at its start. */
export const KIND_WRAP = 255;

/** Smallest and largest capacity of a ring. Positions must tell a full ring from an empty one: far below 2^31 units. */
export const MIN_RING_BYTES = 64;
export const MAX_RING_BYTES = 1 << 30;

// Control block words, as Int32 indices from the start of the block.
export const CONTROL_DOORBELL = 0;
export const CONTROL_SLEEPING = 16;
export const CONTROL_MAIL_POSTED = 32;
export const CONTROL_STATE = 48;
export const CONTROL_HEARTBEAT = 49;
export const CONTROL_RECORD_SOURCE = 50;
export const CONTROL_RECORD_PARTITION = 51;
/** A float: it takes two words. */
export const CONTROL_RECORD_OFFSET = 52;
export const CONTROL_BLOCK_WORDS = 64;
export const CONTROL_BLOCK_BYTES = 256;

/** Default for the largest frame a channel takes, in bytes: above it a record is refused. */
export const DEFAULT_FRAME_BYTES_MAX = 256 * 1024 * 1024;

/** Default for the bytes that may wait in a channel's overflow: above it the task's step is failed. */
export const DEFAULT_OVERFLOW_BYTES_MAX = 512 * 1024 * 1024;

/**
 * The check of a frame at this position: 16 bits that differ from one position to the next and from lap to lap. Multiplying
 * by an odd constant near 2^32 divided by the golden ratio spreads neighbouring positions over the high bits.
 */
export function frameCheck(position: number): number {
  return Math.imul(position, 0x9e3779b1) >>> 16;
}

/** Rounds up to whole units: the bytes that a frame of this payload takes, header and padding included. */
export function frameUnits(payloadBytes: number): number {
  return (payloadBytes + FRAME_HEADER_BYTES + UNIT_BYTES - 1) >>> UNIT_SHIFT;
}
