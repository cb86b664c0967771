import { describe, expect, it } from 'vitest';
import {
  defineJob,
  DeltaEvictor,
  DeltaTrigger,
  EventTimeSessionWindows,
  functionSink,
  jsonSerde,
  PurgingTrigger,
  topic,
  TumblingEventTimeWindows,
  WatermarkStrategy,
} from '../../../src/index.js';
import type { DataStream } from '../../../src/index.js';
import { JobDriver } from '../../../src/testing/index.js';

interface Reading {
  readonly sensor: string;
  readonly level: number;
}

const sensorOf = ({ sensor }: Reading): string => sensor;
const rise = (earlier: Reading, later: Reading): number => later.level - earlier.level;
const levels = (readings: readonly Reading[]): string => readings.map(({ level }) => level).join(' ');

/** The levels of both sides of each window that fires, in a job of two topics. */
function grouped(define: (left: DataStream<Reading>, right: DataStream<Reading>) => DataStream<string>) {
  const groups: string[] = [];
  const job = defineJob('levels', (env) => {
    const read = (name: string): DataStream<Reading> =>
      env.fromSource(topic(name, jsonSerde<Reading>()), WatermarkStrategy.monotonousTimestamps<Reading>()).uid(name);
    define(read('left'), read('right')).sinkTo(functionSink((group) => void groups.push(group)));
  });
  const driver = new JobDriver(job);
  const send = (side: 'left' | 'right', level: number, timestamp: number): void =>
    driver.send(side, { sensor: 's', level }, { timestamp });
  return { driver, send, groups };
}

describe('windows of two streams', () => {
  it('show a trigger and an evictor the records of both sides as they are', () => {
    const { send, groups } = grouped((left, right) =>
      left
        .join(right)
        .where(sensorOf)
        .equalTo(sensorOf)
        .window(TumblingEventTimeWindows.of(100))
        .trigger(PurgingTrigger.of(DeltaTrigger.of(5, rise)))
        .evictor(DeltaEvictor.of(6, rise))
        .coGroup<string>((lefts, rights, out) => out.collect(`${levels(lefts)} | ${levels(rights)}`)),
    );
    send('left', 0, 1);
    // 6 above the first reading, which is then too far from the last to stay.
    send('right', 6, 2);
    send('left', 11, 3);
    send('right', 12, 4);
    expect(groups).toEqual([' | 6', '11 | 12']);
  });

  it('show an assigner the records of both sides as they are, and hold what the evictor leaves', () => {
    const { driver, send, groups } = grouped((left, right) =>
      left
        .join(right)
        .where(sensorOf)
        .equalTo(sensorOf)
        .window(EventTimeSessionWindows.withDynamicGap<Reading>(({ level }) => level))
        .allowedLateness(1_000)
        .evictor(DeltaEvictor.of(6, rise, { doEvictAfter: true }))
        .coGroup<string>((lefts, rights, out) => out.collect(`${levels(lefts)} | ${levels(rights)}`)),
    );
    send('left', 3, 1);
    send('right', 20, 4);
    send('left', 40, 100);
    send('right', 40, 100);
    driver.emitWatermarks();
    // Late, and allowed: the session fires again without the reading that is 17 below the last.
    send('left', 21, 5);
    expect(groups).toEqual(['3 | 20', '21 | 20']);
  });
});
