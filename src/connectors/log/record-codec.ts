import { copyRecordBlock, RecordBlock, recordBlockBytes, writeRecordBlock } from '../../api/internal/record-block.js';
import type { ProducerRecord, TopicRecord } from '../topic.js';

export {
  BLOCK_PREFIX_BYTES as RECORD_PREFIX_BYTES,
  blockOffsetAt as recordOffsetAt,
  blockPartitionAt as recordPartitionAt,
  blockSizeAt as recordSizeAt,
  blockTimestampAt as recordTimestampAt,
  setBlockOffsetAt as setRecordOffsetAt,
} from '../../api/internal/record-block.js';

/**
 * Bytes of a frame's payload in a log segment. Pure. Little-endian; sizes are in bytes, -1 stands for null.
 *
 *     records          │ kind 1 u8 │ 0 u8 │ 0 u16 │ recordCount u32 │ record │ record │ …
 *     record           │ a block, as api/internal/record-block.ts lays it out │
 *
 *     segment start    │ kind 2 u8 │ 0 u8 │ 0 u16 │ partitionCount u32 │ segment f64 │ previousBytes f64 │ previousMaxTimestamp f64
 *                      │ begin offset f64, one per partition │
 *
 * Every segment begins with a segment start, which also seals the segment before it: that one's length is `previousBytes`,
 * whatever else its file may hold, and its end offsets are the begin offsets here.
 *
 * Positions and offsets are f64: exact up to 2^53, and without the cost of a bigint.
 */

export const PAYLOAD_PREFIX_BYTES = 8;

export const PAYLOAD_RECORDS = 1;
export const PAYLOAD_SEGMENT_START = 2;

const SEGMENT_START_PREFIX_BYTES = PAYLOAD_PREFIX_BYTES + 24;

/** How many bytes {@link encodeRecord} will write; -1 when a header's name is too long for the format. */
export function encodedRecordBytes(record: ProducerRecord): number {
  return record.block === undefined ? recordBlockBytes(record) : record.block.end - record.block.start;
}

/** Writes one record at `at`. `size` is what {@link encodedRecordBytes} said. */
export function encodeRecord(
  target: Buffer,
  view: DataView,
  at: number,
  record: ProducerRecord,
  offset: number,
  size: number,
): void {
  const { block, partition } = record;
  if (block === undefined) writeRecordBlock(target, view, at, record, offset, size);
  else copyRecordBlock(target, view, at, block, partition, offset);
}

export function encodeRecordsPrefix(view: DataView, at: number, recordCount: number): void {
  view.setUint32(at, PAYLOAD_RECORDS, true);
  view.setUint32(at + 4, recordCount, true);
}

/** A record where it lies in the log's memory. A reader owns a few of these and moves them on with each poll. */
export class StoredRecord extends RecordBlock implements TopicRecord {
  get block(): RecordBlock {
    return this;
  }
}

/** What the first frame of a segment says. */
export interface SegmentStart {
  readonly segment: number;
  /** Valid length of the segment before this one; 0 when there was none. */
  readonly previousBytes: number;
  /** Latest timestamp in the segment before this one; -Infinity when it holds no record. */
  readonly previousMaxTimestamp: number;
  readonly beginOffsets: readonly number[];
}

export function segmentStartBytes(partitionCount: number): number {
  return SEGMENT_START_PREFIX_BYTES + partitionCount * 8;
}

export function encodeSegmentStart(target: Buffer, at: number, start: SegmentStart): void {
  target.writeUInt32LE(PAYLOAD_SEGMENT_START, at);
  target.writeUInt32LE(start.beginOffsets.length, at + 4);
  target.writeDoubleLE(start.segment, at + 8);
  target.writeDoubleLE(start.previousBytes, at + 16);
  target.writeDoubleLE(start.previousMaxTimestamp, at + 24);
  for (const [partition, offset] of start.beginOffsets.entries()) {
    target.writeDoubleLE(offset, at + SEGMENT_START_PREFIX_BYTES + partition * 8);
  }
}

/** @returns `null` when the payload is not a segment start */
export function decodeSegmentStart(payload: Buffer): SegmentStart | null {
  if (payload.length < SEGMENT_START_PREFIX_BYTES || payload.readUInt32LE(0) !== PAYLOAD_SEGMENT_START) return null;
  const partitionCount = payload.readUInt32LE(4);
  if (payload.length !== segmentStartBytes(partitionCount)) return null;
  const beginOffsets: number[] = [];
  for (let partition = 0; partition < partitionCount; partition++) {
    beginOffsets.push(payload.readDoubleLE(SEGMENT_START_PREFIX_BYTES + partition * 8));
  }
  return {
    segment: payload.readDoubleLE(8),
    previousBytes: payload.readDoubleLE(16),
    previousMaxTimestamp: payload.readDoubleLE(24),
    beginOffsets,
  };
}
