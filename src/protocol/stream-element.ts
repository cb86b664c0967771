/**
 * What flows through the rings, as frame kinds. A frame holds one element, or a batch of records.
 *
 * ```text
 * RECORD_BATCH   records between two tasks            exchange-codec.ts
 * TOPIC_BATCH    topic records, main ⇄ worker         topic-record-codec.ts
 * WATERMARK      f64 timestamp
 * BARRIER        f64 checkpoint id
 * STATUS         u8: 1 active, 0 idle
 * END_OF_INPUT   nothing: no frame follows
 * ```
 *
 * Order within a channel is the order of emission: a watermark or barrier never overtakes a record.
 */
export const RECORD_BATCH = 1;
export const TOPIC_BATCH = 2;
export const WATERMARK = 3;
export const BARRIER = 4;
export const STATUS = 5;
export const END_OF_INPUT = 6;

const scratch = new Uint8Array(8);
const scratchView = new DataView(scratch.buffer);

/** Encodes the one number of a WATERMARK or BARRIER frame. The bytes are valid until the next call in this thread. */
export function encodeNumber(value: number): Uint8Array {
  scratchView.setFloat64(0, value, true);
  return scratch;
}

/** Decodes the one number of a WATERMARK or BARRIER frame. */
export function decodeNumber(frame: Buffer, start: number): number {
  return frame.readDoubleLE(start);
}
