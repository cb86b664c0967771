import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ByteWriter } from '../../../src/protocol/byte-writer.js';
import { encodeRecord, RecordCursor } from '../../../src/protocol/exchange-codec.js';
import { encodeTopicRecord, TopicRecordCursor } from '../../../src/protocol/topic-record-codec.js';
import { ChannelReader } from '../../../src/shared-memory/channel-reader.js';
import { ChannelWriter } from '../../../src/shared-memory/channel-writer.js';
import { Doorbell } from '../../../src/shared-memory/doorbell.js';
import { RING_HEADER_BYTES } from '../../../src/shared-memory/layout.js';
import { makeControlBlock, makeRingAt } from '../../helpers/shared-memory.js';

/** Bytes that change: where, and into what. */
const damage = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 6 });
const runs = { numRuns: 400 };

function apply(bytes: Uint8Array, changes: readonly (readonly [number, number])[]): void {
  for (const [at, value] of changes) bytes[at % bytes.length] = value;
}

/** What a reader does with broken bytes: it comes to an end, or throws. More than so many steps are none. */
function walk(step: () => boolean, stepsMax: number): void {
  let steps = 0;
  try {
    while (step()) expect(++steps).toBeLessThanOrEqual(stepsMax);
  } catch (error) {
    expect(error).toBeInstanceOf(Error);
    if (error instanceof Error && error.name === 'AssertionError') throw error;
  }
}

describe('frames whose bytes were overwritten', () => {
  it('in a ring are handed out within its memory, or refused: reading them always ends', () => {
    const sizes = fc.array(fc.integer({ min: 0, max: 300 }), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(sizes, damage, fc.integer({ min: -50, max: 50 }), (payloads, changes, position) => {
        const capacityBytes = 1024;
        const ring = makeRingAt(capacityBytes, position);
        const bell = new Doorbell(makeControlBlock());
        const writer = new ChannelWriter(ring, { consumer: bell });
        for (const size of payloads) writer.write(1, Buffer.alloc(size, 7), 0, size);
        writer.publish();
        apply(new Uint8Array(ring.memory, ring.byteOffset + RING_HEADER_BYTES, capacityBytes), changes);
        const reader = new ChannelReader(ring, { producer: bell });
        walk(() => {
          const hasFrame = reader.poll();
          expect(reader.start).toBeLessThanOrEqual(reader.end);
          expect(reader.end).toBeLessThanOrEqual(reader.frame.length);
          return hasFrame;
        }, capacityBytes);
      }),
      // The last frame claims more than was published, with nothing behind it to take.
      { ...runs, examples: [[[233, 1, 265, 129, 256], [[1_892_513_456, 73]], 0]] },
    );
  });

  it('of topic records are walked to their end, or refused', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 40 }), { minLength: 1, maxLength: 6 }),
        damage,
        (values, changes) => {
          const writer = new ByteWriter(64);
          for (const value of values) {
            const headers = [['name', value]] as const;
            encodeTopicRecord(writer, { partition: 1, offset: 2, timestamp: 3, key: value, value, headers });
          }
          const frame = Buffer.from(writer.bytes.subarray(0, writer.length));
          apply(frame, changes);
          const cursor = new TopicRecordCursor();
          cursor.open(frame, 0, frame.length);
          walk(() => {
            if (!cursor.advance()) return false;
            expect((cursor.key?.length ?? 0) + (cursor.value?.length ?? 0)).toBeLessThanOrEqual(2 * frame.length);
            return true;
          }, frame.length);
        },
      ),
      runs,
    );
  });

  it('of records between tasks are walked to their end, or refused', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 40 }), { minLength: 1, maxLength: 6 }),
        damage,
        (values, changes) => {
          const writer = new ByteWriter(64);
          const request = { correlationId: 'id', replyTo: 'topic:0', deadline: 5, idempotency: 'topic:1:name' };
          const scope = { request, originSource: 1, originPartition: 2, originOffset: 3, originTime: 4 };
          for (const value of values) encodeRecord(writer, value, 9, scope);
          const frame = Buffer.from(writer.bytes.subarray(0, writer.length));
          apply(frame, changes);
          const cursor = new RecordCursor();
          cursor.open(frame, 0, frame.length);
          walk(() => cursor.advance({ ...scope }), frame.length);
        },
      ),
      runs,
    );
  });
});
