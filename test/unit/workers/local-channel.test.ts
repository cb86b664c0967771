import { describe, expect, it } from 'vitest';
import { BARRIER, END_OF_INPUT, RECORD_BATCH, STATUS, WATERMARK } from '../../../src/protocol/stream-element.js';
import { LocalChannel } from '../../../src/workers/local-channel.js';

const newScope = () => ({
  request: null as { correlationId: string; replyTo: string; deadline: number } | null,
  originSource: 0,
  originPartition: -1,
  originOffset: 0,
  originTime: 0,
});

/** Everything that waits, as [kind, value or number]. */
function takeAll(channel: LocalChannel): [number, unknown][] {
  const taken: [number, unknown][] = [];
  const scope = newScope();
  while (channel.poll(scope)) {
    taken.push([channel.kind, channel.kind === RECORD_BATCH ? channel.value : channel.number]);
  }
  return taken;
}

describe('a channel within a thread', () => {
  it('hands elements over in order, and records as the very objects', () => {
    const channel = new LocalChannel(0);
    const record = { text: 'the same object' };
    channel.write(record, 5, newScope());
    channel.emitWatermark(4);
    channel.emitStatus(false);
    channel.emitBarrier(7);
    channel.emitEndOfInput();
    const taken = takeAll(channel);
    expect(taken).toEqual([
      [RECORD_BATCH, record],
      [WATERMARK, 4],
      [STATUS, 0],
      [BARRIER, 7],
      [END_OF_INPUT, 0],
    ]);
    expect(taken[0]?.[1]).toBe(record);
    expect(channel.isEmpty()).toBe(true);
  });

  it('carries timestamp, origin and request, and tells records without them from those with', () => {
    const channel = new LocalChannel(0);
    const request = { correlationId: 'c', replyTo: 'r', deadline: 9 };
    const origin = { originSource: 1, originPartition: 2, originOffset: 3, originTime: 4 };
    channel.write('with', 10, { ...origin, request });
    channel.write('without', 11, newScope());
    const scope = newScope();
    channel.poll(scope);
    expect([channel.number, scope]).toEqual([10, { ...origin, request }]);
    channel.poll(scope);
    expect([channel.number, scope.originPartition, scope.request]).toEqual([11, -1, null]);
  });

  it('takes whatever a step emits, asks the producer to wait, and loses nothing as it grows', () => {
    const channel = new LocalChannel(0);
    const scope = newScope();
    const expected: [number, unknown][] = [];
    // Not from the front, so that what waits is wrapped around when room is made.
    for (let index = 0; index < 900; index++) channel.write(index, 0, scope);
    takeAll(channel);
    for (let index = 0; index < 300_000; index++) {
      channel.write(index, 0, { ...scope, originPartition: index % 3 === 0 ? 5 : -1, originOffset: index });
      expected.push([RECORD_BATCH, index]);
    }
    expect([channel.hasOverflow, channel.drainOverflow()]).toEqual([true, false]);
    let lost = 0;
    for (const [index] of expected.entries()) {
      channel.poll(scope);
      if (channel.value !== index || scope.originPartition !== (index % 3 === 0 ? 5 : -1)) lost++;
      if (index % 3 === 0 && scope.originOffset !== index) lost++;
    }
    expect(lost).toBe(0);
    expect([channel.isEmpty(), channel.drainOverflow()]).toEqual([true, true]);
    channel.write('after', 0, scope);
    expect(takeAll(channel)).toEqual([[RECORD_BATCH, 'after']]);
  });

  it('says when what waited at a mark was taken, whatever has come since, and although it has grown and shrunk', () => {
    const channel = new LocalChannel(0);
    const scope = newScope();
    for (let index = 0; index < 900; index++) channel.write(index, 0, scope);
    takeAll(channel);
    expect(channel.hasPassed(channel.mark())).toBe(true);
    for (let index = 0; index < 200_000; index++) channel.write(index, 0, scope);
    const mark = channel.mark();
    for (let index = 0; index < 200_000; index++) channel.write(index, 0, scope);
    for (let index = 0; index < 199_999; index++) channel.poll(scope);
    expect(channel.hasPassed(mark)).toBe(false);
    channel.poll(scope);
    expect(channel.hasPassed(mark)).toBe(true);
    takeAll(channel);
    // The room is given back with the next write.
    channel.write('after', 0, scope);
    expect([channel.hasPassed(mark), channel.hasPassed(channel.mark())]).toEqual([true, false]);
    expect(takeAll(channel)).toEqual([[RECORD_BATCH, 'after']]);
  });
});
