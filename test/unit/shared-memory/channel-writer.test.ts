import { describe, expect, test } from 'vitest';
import { MillraceError } from '../../../src/base/errors.js';
import { ChannelReader } from '../../../src/shared-memory/channel-reader.js';
import { ChannelWriter } from '../../../src/shared-memory/channel-writer.js';
import type { ChannelLimits } from '../../../src/shared-memory/channel-writer.js';
import { Doorbell } from '../../../src/shared-memory/doorbell.js';
import { RingObserver } from '../../../src/shared-memory/ring-observer.js';
import { makeControlBlock, makeRingAt } from '../../helpers/shared-memory.js';

function makeChannel(capacityBytes: number, limits: ChannelLimits = {}) {
  const ring = makeRingAt(capacityBytes, 0);
  return {
    writer: new ChannelWriter(ring, { consumer: new Doorbell(makeControlBlock()) }, limits),
    reader: new ChannelReader(ring, { producer: new Doorbell(makeControlBlock()) }, limits),
    observer: new RingObserver(ring),
  };
}

function readAll(reader: ChannelReader): string[] {
  const texts: string[] = [];
  while (reader.poll()) texts.push(reader.frame.toString('latin1', reader.start, reader.end));
  return texts;
}

function failureOf(run: () => void): MillraceError | null {
  try {
    run();
    return null;
  } catch (error) {
    if (MillraceError.is(error)) return error;
    throw error;
  }
}

describe('ChannelWriter', () => {
  test('accepts more than the ring holds, in order, and says that it did', () => {
    const { writer, reader } = makeChannel(128);
    const texts = Array.from({ length: 20 }, (_, i) => `frame ${String(i)}`);
    for (const text of texts) writer.write(1, Buffer.from(text), 0, text.length);
    expect(writer.hasOverflow).toBe(true);
    expect(writer.overflowBytes).toBeGreaterThan(0);
    expect(writer.framesOut).toBe(20);

    // What found room was published when the ring was full: the reader needs no call of publish to go on.
    const received = readAll(reader);
    expect(received.length).toBeGreaterThan(0);
    while (!writer.drainOverflow()) received.push(...readAll(reader));
    received.push(...readAll(reader));
    expect(received).toEqual(texts);
    expect(writer.hasOverflow).toBe(false);
    expect(writer.overflowBytes).toBe(0);
  });

  test('sends a frame of many rings as fragments, and a short one behind it stays behind it', () => {
    const { writer, reader } = makeChannel(256);
    const large = Array.from({ length: 5000 }, (_, i) => String.fromCharCode(32 + (i % 90))).join('');
    writer.write(7, Buffer.from(large), 0, large.length);
    writer.write(8, Buffer.from('short'), 0, 5);
    const received: string[] = [];
    while (!writer.drainOverflow()) {
      expect(reader.isEmpty()).toBe(false);
      received.push(...readAll(reader));
    }
    received.push(...readAll(reader));
    expect(received).toEqual([large, 'short']);
    expect(writer.framesOut).toBe(2);
    expect(writer.bytesOut).toBe(5005);
  });

  test('marks itself as waiting when the overflow does not fit, and only then', () => {
    const { writer, reader, observer } = makeChannel(64);
    for (let i = 0; i < 5; i++) writer.write(1, Buffer.alloc(24), 0, 24);
    expect(observer.isProducerBlocked()).toBe(false);
    expect(writer.drainOverflow()).toBe(false);
    expect(observer.isProducerBlocked()).toBe(true);
    readAll(reader);
    expect(observer.isProducerBlocked()).toBe(false);
  });

  test('refuses a frame above the limit by code, and the channel goes on', () => {
    const { writer, reader } = makeChannel(256, { frameBytesMax: 1000, overflowBytesMax: 2000 });
    const error = failureOf(() => writer.write(1, Buffer.alloc(1001), 0, 1001));
    expect(error).toMatchObject({
      code: 'MILLRACE_RECORD_TOO_LARGE',
      details: { channel: 7, bytes: 1001, bytesMax: 1000 },
    });
    writer.write(1, Buffer.from('fine'), 0, 4);
    writer.publish();
    expect(readAll(reader)).toEqual(['fine']);
    expect(writer.framesOut).toBe(1);
  });

  test('refuses what exceeds the overflow, and keeps what was accepted', () => {
    const { writer, reader } = makeChannel(128, { frameBytesMax: 1000, overflowBytesMax: 1000 });
    const bytes = Buffer.alloc(100, 'x');
    let accepted = 0;
    const error = failureOf(() => {
      for (; accepted < 100; accepted++) writer.write(1, bytes, 0, 100);
    });
    expect(error?.code).toBe('MILLRACE_CHANNEL_OVERFLOW');
    expect(writer.overflowBytes).toBeLessThan(1200);
    const received: string[] = [];
    while (!writer.drainOverflow()) received.push(...readAll(reader));
    received.push(...readAll(reader));
    expect(received.length).toBe(accepted);
  });

  test('keeps kinds above 239 to itself', () => {
    const { writer } = makeChannel(128);
    for (const kind of [0, 240, 253, 255]) expect(() => writer.write(kind, Buffer.alloc(1), 0, 1)).toThrow(/1 to 239/);
  });
});
