import { describe, expect, test } from 'vitest';
import {
  allocateTaskCounters,
  allocateThreadCounters,
  LATENCY_BOUNDS_MS,
  taskCountersFootprintBytes,
  THREAD_COUNTERS_FOOTPRINT_BYTES,
} from '../../../src/metrics/counter-layout.js';
import {
  TaskCountersReader,
  TaskCountersWriter,
  ThreadCountersReader,
  ThreadCountersWriter,
} from '../../../src/metrics/counters.js';
import { SharedRegion } from '../../../src/shared-memory/shared-region.js';

const noLatencies = [...LATENCY_BOUNDS_MS, Infinity].map(() => 0);

function makeTask(operatorCount: number): { writer: TaskCountersWriter; reader: TaskCountersReader } {
  const region = SharedRegion.allocate(taskCountersFootprintBytes(operatorCount));
  const descriptor = allocateTaskCounters(region, operatorCount);
  return { writer: new TaskCountersWriter(descriptor), reader: new TaskCountersReader(descriptor) };
}

describe('the counters of a task', () => {
  test('begin at nothing, without a watermark', () => {
    expect(makeTask(2).reader.read(1_000)).toEqual({
      activity: 'notRunning',
      idleMs: 0,
      busyMs: 0,
      backPressuredMs: 0,
      numRecordsIn: 0,
      numRecordsOut: 0,
      numBytesIn: 0,
      numBytesOut: 0,
      currentInputWatermark: -Infinity,
      currentOutputWatermark: -Infinity,
      numLateRecordsDropped: 0,
      numFiredTimers: 0,
      operators: [
        { numRecordsIn: 0, numRecordsOut: 0, latency: { counts: noLatencies, sumMs: 0 } },
        { numRecordsIn: 0, numRecordsOut: 0, latency: { counts: noLatencies, sumMs: 0 } },
      ],
    });
  });

  test('take latencies into the bucket whose bound they do not pass', () => {
    const { writer, reader } = makeTask(2);
    for (const latencyMs of [0, 1, 1.5, 60_000, 60_001]) writer.observeOperatorLatency(1, latencyMs);
    const [other, operator] = reader.read(0).operators;
    expect(other?.latency).toEqual({ counts: noLatencies, sumMs: 0 });
    expect(operator?.latency.sumMs).toBe(120_003.5);
    expect(operator?.latency.counts.slice(0, 2)).toEqual([2, 1]);
    expect(operator?.latency.counts.slice(-2)).toEqual([1, 1]);
  });

  test('arrive each in its own field', () => {
    const { writer, reader } = makeTask(3);
    writer.addRecordsIn(1);
    writer.addRecordsIn(2);
    writer.addRecordsOut(5);
    writer.addBytesIn(70);
    writer.addBytesOut(11);
    writer.setInputWatermark(1_000);
    writer.setOutputWatermark(900);
    writer.setTimers(13, 17);
    writer.setOperatorRecords(0, 19, 23);
    writer.setOperatorRecords(2, 29, 2 ** 50);
    expect(reader.read(0)).toMatchObject({
      numRecordsIn: 3,
      numRecordsOut: 5,
      numBytesIn: 70,
      numBytesOut: 11,
      currentInputWatermark: 1_000,
      currentOutputWatermark: 900,
      numLateRecordsDropped: 13,
      numFiredTimers: 17,
      operators: [
        { numRecordsIn: 19, numRecordsOut: 23 },
        { numRecordsIn: 0, numRecordsOut: 0 },
        { numRecordsIn: 29, numRecordsOut: 2 ** 50 },
      ],
    });
    writer.setRecords(100, 200);
    writer.setBytes(300, 400);
    expect(reader.read(0)).toMatchObject({ numRecordsIn: 100, numRecordsOut: 200, numBytesIn: 300, numBytesOut: 400 });
  });

  test('split all time since the start between idle, busy and back-pressured', () => {
    const { writer, reader } = makeTask(1);
    writer.enterIdle(10_000);
    writer.enterBusy(10_100);
    writer.enterBusy(10_150);
    writer.enterBackPressured(10_400);
    expect(reader.read(11_000)).toMatchObject({
      activity: 'backPressured',
      idleMs: 100,
      busyMs: 300,
      backPressuredMs: 600,
    });
    writer.stop(12_000);
    expect(reader.read(99_000)).toMatchObject({
      activity: 'notRunning',
      idleMs: 100,
      busyMs: 300,
      backPressuredMs: 1_600,
    });
  });

  test('of neighbouring tasks do not touch each other', () => {
    const region = SharedRegion.allocate(2 * taskCountersFootprintBytes(2) + THREAD_COUNTERS_FOOTPRINT_BYTES);
    const descriptors = [allocateTaskCounters(region, 2), allocateTaskCounters(region, 2)] as const;
    const thread = new ThreadCountersReader(allocateThreadCounters(region));
    expect(region.freeBytes).toBe(0);
    const untouched = new TaskCountersReader(descriptors[1]).read(0);

    const writer = new TaskCountersWriter(descriptors[0]);
    writer.setOperatorRecords(1, 1, 1);
    writer.enterBusy(5);
    expect(new TaskCountersReader(descriptors[1]).read(0)).toEqual(untouched);
    expect(thread.read(0).activity).toBe('notRunning');
  });
});

test('the counters of a thread tell its running time from its parked time, and count turns and sleeps', () => {
  const descriptor = allocateThreadCounters(SharedRegion.allocate(THREAD_COUNTERS_FOOTPRINT_BYTES));
  const writer = new ThreadCountersWriter(descriptor);
  const reader = new ThreadCountersReader(descriptor);
  writer.enterRunning(100);
  writer.addLoopTurns(7);
  writer.enterParked(130);
  writer.enterRunning(180);
  writer.addLoopTurns(1);
  writer.enterParked(200);
  const vitals = {
    heapUsedBytes: 10,
    heapTotalBytes: 20,
    heapLimitBytes: 30,
    externalBytes: 40,
    gcCount: 2,
    gcMs: 1.5,
    longestTurnMs: 2.5,
  };
  writer.setVitals(vitals);
  writer.setOsThreadId(4711);
  writer.setUserMetricCount(3);
  expect(reader.read(1_000)).toEqual({
    activity: 'parked',
    runningMs: 50,
    parkedMs: 850,
    loopTurns: 8,
    parkCount: 2,
    osThreadId: 4711,
    userMetricCount: 3,
    ...vitals,
  });
  writer.stop(1_000);
  expect(reader.read(5_000)).toMatchObject({ activity: 'notRunning', parkedMs: 850 });
});
