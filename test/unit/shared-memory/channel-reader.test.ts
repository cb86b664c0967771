import { describe, expect, test } from 'vitest';
import { MillraceError } from '../../../src/base/errors.js';
import { ChannelReader } from '../../../src/shared-memory/channel-reader.js';
import { ChannelWriter } from '../../../src/shared-memory/channel-writer.js';
import { Doorbell } from '../../../src/shared-memory/doorbell.js';
import { KIND_FRAGMENT, KIND_FRAGMENTED } from '../../../src/shared-memory/layout.js';
import { RingProducer } from '../../../src/shared-memory/spsc-ring.js';
import { makeControlBlock, makeRingAt } from '../../helpers/shared-memory.js';

const bell = new Doorbell(makeControlBlock());

function announcement(totalBytes: number, kind: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt32LE(totalBytes, 0);
  bytes.writeUInt8(kind, 4);
  return bytes;
}

/** A reader, and the bare ring in front of it, to feed it what no writer writes. */
function makeReader() {
  const ring = makeRingAt(256, 0);
  const producer = new RingProducer(ring, { consumer: bell });
  const feed = (kind: number, bytes: Buffer): void => {
    expect(producer.tryWrite(kind, bytes, 0, bytes.length)).toBe(true);
    producer.publish();
  };
  return { reader: new ChannelReader(ring, { producer: bell }, { frameBytesMax: 1000 }), feed };
}

describe('ChannelReader', () => {
  test('has nothing while a large frame is under way, and is then empty: the thread may sleep', () => {
    const { reader, feed } = makeReader();
    feed(KIND_FRAGMENTED, announcement(6, 9));
    feed(KIND_FRAGMENT, Buffer.from('abc'));
    expect(reader.isEmpty()).toBe(false);
    expect(reader.poll()).toBe(false);
    expect(reader.isEmpty()).toBe(true);

    feed(KIND_FRAGMENT, Buffer.from('def'));
    expect(reader.poll()).toBe(true);
    expect(reader.kind).toBe(9);
    expect(reader.frame.toString('latin1', reader.start, reader.end)).toBe('abcdef');
    expect(reader).toMatchObject({ framesIn: 1, bytesIn: 6 });
  });

  test('shows no bytes after release', () => {
    const { reader, feed } = makeReader();
    feed(1, Buffer.from('abc'));
    reader.poll();
    reader.release();
    expect({ start: reader.start, end: reader.end, bytes: reader.frame.length }).toEqual({
      start: 0,
      end: 0,
      bytes: 0,
    });
  });

  test('lets go of the memory of a large frame', () => {
    const ring = makeRingAt(4 * 1024 * 1024, 0);
    const writer = new ChannelWriter(ring, { consumer: bell });
    const reader = new ChannelReader(ring, { producer: bell });
    writer.write(1, Buffer.alloc(3 * 1024 * 1024), 0, 3 * 1024 * 1024);
    writer.publish();
    expect(reader.poll()).toBe(true);
    expect(reader.frame.length).toBe(3 * 1024 * 1024);
    reader.release();
    expect(reader.frame.length).toBe(0);
  });

  test('refuses a frame that is announced as larger than it takes', () => {
    const { reader, feed } = makeReader();
    feed(KIND_FRAGMENTED, announcement(1001, 1));
    expect(() => reader.poll()).toThrow(expect.objectContaining({ code: 'MILLRACE_RECORD_TOO_LARGE' }));
  });

  test.each([
    ['a fragment without an announcement', [[KIND_FRAGMENT, 'x']]],
    [
      'a whole frame between fragments',
      [
        [KIND_FRAGMENTED, 5],
        [1, 'x'],
      ],
    ],
    [
      'an announcement between fragments',
      [
        [KIND_FRAGMENTED, 5],
        [KIND_FRAGMENTED, 5],
      ],
    ],
    [
      'fragments longer than announced',
      [
        [KIND_FRAGMENTED, 5],
        [KIND_FRAGMENT, 'xxxxxx'],
      ],
    ],
    [
      'a kind that nobody writes',
      [
        [KIND_FRAGMENTED, 5],
        [240, 'x'],
      ],
    ],
  ] as const)('treats %s as a defect', (_name, frames) => {
    const { reader, feed } = makeReader();
    for (const [kind, content] of frames) {
      feed(kind, typeof content === 'number' ? announcement(content, 1) : Buffer.from(content));
    }
    expect(() => reader.poll()).toThrow(MillraceError);
  });
});
