import { describe, expect, it } from 'vitest';
import { WatermarkStrategy } from '../../../src/api/watermark-strategy.js';
import { SourceWatermarks } from '../../../src/operators/source-watermarks.js';
import { ManualClock } from '../../../src/testing/manual-clock.js';

interface Reading {
  readonly at: number;
}

function sourceOf(strategy: WatermarkStrategy<Reading>): {
  readonly source: SourceWatermarks<Reading>;
  readonly clock: ManualClock;
  readonly emitted: (number | string)[];
  readonly read: (partition: number, at: number) => void;
} {
  const emitted: (number | string)[] = [];
  const clock = new ManualClock();
  const source = new SourceWatermarks(
    strategy.withTimestampAssigner(({ at }) => at),
    { now: () => clock.now(), nowMs: () => clock.now() },
    { emitWatermark: (timestamp) => emitted.push(timestamp), emitStatus: (status) => emitted.push(status) },
  );
  const read = (partition: number, at: number): void => {
    source.onRecord(partition, { at }, source.timestampOf({ at }, -Infinity));
  };
  return { source, clock, emitted, read };
}

describe('watermarks of a source with several partitions', () => {
  it('follow the slowest partition, however far ahead the others are read', () => {
    const { source, emitted, read } = sourceOf(WatermarkStrategy.monotonousTimestamps());
    source.addPartition(0);
    source.addPartition(1);
    read(0, 100);
    source.emitPeriodic();
    expect(emitted).toEqual([]);
    expect(source.slowestPartition).toBe(1);
    read(1, 10);
    source.emitPeriodic();
    expect(emitted).toEqual([9]);
    read(1, 500);
    source.emitPeriodic();
    expect(emitted).toEqual([9, 99]);
    expect(source.slowestPartition).toBe(0);
  });

  it('do not take a partition for idle that is not read, and count its idleness anew when it is', () => {
    const { source, clock, emitted, read } = sourceOf(
      WatermarkStrategy.monotonousTimestamps<Reading>().withIdleness(10),
    );
    source.addPartition(0);
    read(0, 100);
    source.setHeld(0, true);
    for (const now of [0, 20, 40, 60]) {
      clock.set(now);
      source.emitPeriodic();
    }
    expect(source.partitions()).toMatchObject([{ isIdle: false }]);
    source.setHeld(0, false);
    for (const now of [80, 90, 95]) {
      clock.set(now);
      source.emitPeriodic();
    }
    expect(emitted).toEqual([99]);
    clock.set(101);
    source.emitPeriodic();
    expect(emitted).toEqual([99, 'IDLE']);
  });

  it('go on without a partition that is idle or gone, and wait for it again when it is back', () => {
    const { source, clock, emitted, read } = sourceOf(
      WatermarkStrategy.monotonousTimestamps<Reading>().withIdleness(10),
    );
    source.addPartition(0);
    source.addPartition(1);
    for (let now = 0; now <= 30; now += 5) {
      clock.set(now);
      read(0, 100 + now);
      source.emitPeriodic();
    }
    // Partition 1 never had a record: once that has lasted, it no longer counts.
    expect(emitted.at(-1)).toBe(129);
    read(1, 200);
    source.emitPeriodic();
    source.removePartition(0);
    expect(emitted.at(-1)).toBe(199);
  });

  it('are idle when all partitions are, and active with the next watermark', () => {
    const { source, clock, emitted, read } = sourceOf(
      WatermarkStrategy.monotonousTimestamps<Reading>().withIdleness(10),
    );
    read(0, 5);
    for (let now = 0; now <= 30; now += 5) {
      clock.set(now);
      source.emitPeriodic();
    }
    expect(emitted).toEqual([4, 'IDLE']);
    read(0, 9);
    source.emitPeriodic();
    expect(emitted).toEqual([4, 'IDLE', 'ACTIVE', 8]);
  });

  it('are emitted with the record by a strategy that marks records', () => {
    const { emitted, read } = sourceOf(WatermarkStrategy.punctuated<Reading>((_value, timestamp) => timestamp - 1));
    read(0, 10);
    read(0, 5);
    read(0, 20);
    expect(emitted).toEqual([9, 19]);
  });
});
