import { describe, expect, test } from 'vitest';
import type { TaskSnapshot } from '../../../src/metrics/counters.js';
import { RateMeter } from '../../../src/metrics/rate-meter.js';
import type { TaskRates } from '../../../src/metrics/rate-meter.js';

function snapshot(parts: Partial<TaskSnapshot>): TaskSnapshot {
  return {
    activity: 'busy',
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
    operators: [],
    ...parts,
  };
}

function sumOfTimes(rates: TaskRates): number {
  return rates.idleTimeMsPerSecond + rates.busyTimeMsPerSecond + rates.backPressuredTimeMsPerSecond;
}

describe('RateMeter', () => {
  test('gives the first rates since the start of the task', () => {
    const meter = new RateMeter();
    expect(meter.rates).toBeNull();
    const rates = meter.update(snapshot({ idleMs: 500, busyMs: 1_500, numRecordsIn: 100, numBytesOut: 20 }));
    expect(rates).toMatchObject({
      idleTimeMsPerSecond: 250,
      busyTimeMsPerSecond: 750,
      backPressuredTimeMsPerSecond: 0,
      numRecordsInPerSecond: 50,
      numBytesOutPerSecond: 10,
    });
    expect(meter.rates).toBe(rates);
  });

  test('gives rates between two snapshots, operators included, whose times add up to 1000', () => {
    const meter = new RateMeter();
    meter.update(
      snapshot({
        idleMs: 100,
        busyMs: 200.5,
        operators: [{ numRecordsIn: 10, numRecordsOut: 1, latency: { counts: [], sumMs: 0 } }],
      }),
    );
    const rates = meter.update(
      snapshot({
        idleMs: 200,
        busyMs: 233.7,
        backPressuredMs: 66.8,
        numRecordsIn: 400,
        numRecordsOut: 40,
        operators: [{ numRecordsIn: 410, numRecordsOut: 41, latency: { counts: [], sumMs: 0 } }],
      }),
    );
    expect(sumOfTimes(rates)).toBeCloseTo(1000, 6);
    expect(rates).toMatchObject({
      idleTimeMsPerSecond: 500,
      numRecordsInPerSecond: 2_000,
      numRecordsOutPerSecond: 200,
      operators: [{ numRecordsInPerSecond: 2_000, numRecordsOutPerSecond: 200 }],
    });
    expect(rates.busyTimeMsPerSecond).toBeCloseTo(166, 6);
  });

  test('keeps the last rates when no time has passed', () => {
    const meter = new RateMeter();
    const first = meter.update(snapshot({ busyMs: 100, numRecordsIn: 10 }));
    expect(meter.update(snapshot({ busyMs: 100, numRecordsIn: 11 }))).toBe(first);
    // The records of the empty interval count in the next one.
    expect(meter.update(snapshot({ busyMs: 200, numRecordsIn: 20 })).numRecordsInPerSecond).toBe(100);
  });

  test('calls a task that has had no time yet idle', () => {
    const rates = new RateMeter().update(snapshot({}));
    expect(rates).toMatchObject({ idleTimeMsPerSecond: 1000, numRecordsInPerSecond: 0 });
    expect(sumOfTimes(rates)).toBe(1000);
  });

  test('begins anew when the task was started again', () => {
    const meter = new RateMeter();
    meter.update(snapshot({ busyMs: 10_000, numRecordsIn: 5_000 }));
    const rates = meter.update(snapshot({ busyMs: 500, idleMs: 500, numRecordsIn: 30 }));
    expect(rates).toMatchObject({ busyTimeMsPerSecond: 500, numRecordsInPerSecond: 30 });
  });
});
