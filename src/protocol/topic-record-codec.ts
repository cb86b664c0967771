import { RecordBlock, recordBlockBytes, type RecordFields, writeRecordBlock } from '../api/internal/record-block.js';
import { MillraceError } from '../base/errors.js';
import { invariant } from '../base/invariant.js';
import type { ByteWriter } from './byte-writer.js';

/**
 * Topic records in TOPIC_BATCH frames: from a source topic to a worker, and from a worker's sink to a topic. A frame is one
 * record block after the other, in the layout of the log itself (api/internal/record-block.ts).
 *
 * Towards main two fields have another meaning: the partition may be {@link ANY_PARTITION}, and the offset's place says which
 * sink of the plan the record is for, or {@link RESPONSE_SINK}.
 */

/** The partition of a sink record that leaves the choice to the topic: by key if it has one. */
export const ANY_PARTITION = 0xffffffff;

/** In the offset's place on the way to main: an answer to a request rather than a record of the sink of that index. */
export const RESPONSE_SINK = -1;

/** Appends one record to a batch. */
export function encodeTopicRecord(writer: ByteWriter, record: RecordFields & { readonly offset: number }): void {
  const size = recordBlockBytes(record);
  if (size < 0) {
    throw new MillraceError('MILLRACE_SERIALISATION_FAILED', 'a record header has a name over 65,535 bytes');
  }
  writer.reserve(size);
  writeRecordBlock(writer.bytes, writer.view, writer.length, record, record.offset, size);
  writer.length += size;
}

/** Appends a record that is a block already: one copy. */
export function appendRecordBlock(writer: ByteWriter, block: RecordBlock): void {
  const size = block.end - block.start;
  writer.reserve(size);
  block.bytes.copy(writer.bytes, writer.length, block.start, block.end);
  writer.length += size;
}

/**
 * Walks a TOPIC_BATCH frame without copying: the cursor is the record that it stands on, whose key, value and headers are
 * views that live only as long as the frame. One instance per reader, reused for every frame.
 */
export class TopicRecordCursor extends RecordBlock {
  #frame: Buffer = Buffer.alloc(0);
  #frameView: DataView = new DataView(new ArrayBuffer(0));
  #next = 0;
  #frameEnd = 0;

  open(frame: Buffer, start: number, end: number): void {
    if (frame !== this.#frame) {
      this.#frame = frame;
      this.#frameView = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
    }
    this.#next = start;
    this.#frameEnd = end;
  }

  /** Moves to the next record; false at the end of the frame. */
  advance(): boolean {
    if (this.#next >= this.#frameEnd) return false;
    this.moveTo(this.#frame, this.#frameView, this.#next);
    // Of a size of nothing, the walk would never end.
    invariant(this.end > this.#next && this.end <= this.#frameEnd, 'a record lies within its frame');
    this.#next = this.end;
    return true;
  }
}
