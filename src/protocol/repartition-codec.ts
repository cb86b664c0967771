import { ByteWriter } from './byte-writer.js';
import type { TravellingScope } from './exchange-codec.js';
import { encodeNumberRecord, encodeRecord } from './exchange-codec.js';

/**
 * What lies in a repartition topic: values of topic records, which only instances of the same job write and read.
 *
 * ```text
 * u8 1 │ a record as it travels between two tasks (exchange-codec.ts): value, timestamp, origin, request
 * u8 2 │ f64 watermark │ u8 1 idle, 0 active │ u16 count │ u16 shard …
 * ```
 *
 * The second says how far event time has come at the instance that owns those shards, and it lies behind every record that the
 * instance had written by then. Shards, and not instances, name a producer: each has one owner at a time, so a reader that
 * merges by shard needs to know nobody, and whoever takes a shard over speaks for it from then on.
 */

const RECORD = 1;
const WATERMARK = 2;
const WATERMARK_PREFIX_BYTES = 12;

/** Where the record lies in a value that {@link isRepartitionedWatermark} is not. */
export const REPARTITIONED_RECORD_START = 1;

/** Replaces what the writer holds by the value for one record. @param bytes `null` for a number, which needs no serialiser */
export function encodeRepartitionedRecord(
  writer: ByteWriter,
  value: unknown,
  bytes: Uint8Array | null,
  timestamp: number,
  scope: TravellingScope,
): void {
  writer.reset();
  writer.reserve(1);
  writer.writeU8(RECORD);
  if (bytes === null) encodeNumberRecord(writer, value as number, timestamp, scope);
  else encodeRecord(writer, bytes, timestamp, scope);
}

/** The event time that shards have in common, on its way to main or to another instance. */
export interface ShardsWatermark {
  /** `-Infinity` before the first. */
  readonly watermark: number;
  readonly isIdle: boolean;
  readonly shards: readonly number[];
}

export function encodeRepartitionedWatermark({ watermark, isIdle, shards }: ShardsWatermark): Uint8Array {
  const writer = new ByteWriter(WATERMARK_PREFIX_BYTES + 2 * shards.length);
  writer.writeU8(WATERMARK);
  writer.writeF64(watermark);
  writer.writeU8(isIdle ? 1 : 0);
  writer.writeU16(shards.length);
  for (const shard of shards) writer.writeU16(shard);
  return writer.bytes;
}

export function isRepartitionedWatermark(value: Uint8Array): boolean {
  return value[0] === WATERMARK;
}

export function decodeRepartitionedWatermark(value: Buffer): ShardsWatermark {
  const count = value.readUInt16LE(10);
  return {
    watermark: value.readDoubleLE(1),
    isIdle: value[9] === 1,
    shards: Array.from({ length: count }, (_, index) => value.readUInt16LE(WATERMARK_PREFIX_BYTES + 2 * index)),
  };
}
