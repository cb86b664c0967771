import type { OperatorSnapshot, TaskSnapshot } from './counters.js';

/** What a task did per second between two snapshots. The three times add up to 1000. Names follow Flink's metrics. */
export interface TaskRates {
  readonly idleTimeMsPerSecond: number;
  readonly busyTimeMsPerSecond: number;
  readonly backPressuredTimeMsPerSecond: number;
  readonly numRecordsInPerSecond: number;
  readonly numRecordsOutPerSecond: number;
  readonly numBytesInPerSecond: number;
  readonly numBytesOutPerSecond: number;
  /** In the order of the chain. */
  readonly operators: readonly OperatorRates[];
}

export interface OperatorRates {
  readonly numRecordsInPerSecond: number;
  readonly numRecordsOutPerSecond: number;
}

/**
 * Turns the totals of one task into rates. Call it at an interval: a rate is a mean over the time between two calls.
 *
 * The seconds are the task's own, by its time sheet, so that the shares of time add up whatever the clocks do.
 */
export class RateMeter {
  #last: TaskSnapshot | null = null;
  #rates: TaskRates | null = null;

  /** The rates of the last interval; `null` before the first update. */
  get rates(): TaskRates | null {
    return this.#rates;
  }

  /**
   * Takes the next snapshot. The first interval begins when the task did, and so does one in which the task was started
   * again. An interval without time gives the rates of the one before.
   */
  update(snapshot: TaskSnapshot): TaskRates {
    const last = this.#last;
    const isSameRun = last !== null && totalMs(last) <= totalMs(snapshot) && last.numRecordsIn <= snapshot.numRecordsIn;
    const base = isSameRun ? last : null;
    if (this.#rates !== null && base !== null && totalMs(snapshot) === totalMs(base)) return this.#rates;
    this.#last = snapshot;
    this.#rates = ratesSince(base, snapshot);
    return this.#rates;
  }
}

const NO_RECORDS: Pick<OperatorSnapshot, 'numRecordsIn' | 'numRecordsOut'> = { numRecordsIn: 0, numRecordsOut: 0 };

function ratesSince(base: TaskSnapshot | null, snapshot: TaskSnapshot): TaskRates {
  const elapsedMs = totalMs(snapshot) - (base === null ? 0 : totalMs(base));
  const perSecond = (now: number, before: number): number => (elapsedMs > 0 ? ((now - before) * 1000) / elapsedMs : 0);
  return {
    // A task that has had no time yet is idle.
    idleTimeMsPerSecond: elapsedMs > 0 ? perSecond(snapshot.idleMs, base?.idleMs ?? 0) : 1000,
    busyTimeMsPerSecond: perSecond(snapshot.busyMs, base?.busyMs ?? 0),
    backPressuredTimeMsPerSecond: perSecond(snapshot.backPressuredMs, base?.backPressuredMs ?? 0),
    numRecordsInPerSecond: perSecond(snapshot.numRecordsIn, base?.numRecordsIn ?? 0),
    numRecordsOutPerSecond: perSecond(snapshot.numRecordsOut, base?.numRecordsOut ?? 0),
    numBytesInPerSecond: perSecond(snapshot.numBytesIn, base?.numBytesIn ?? 0),
    numBytesOutPerSecond: perSecond(snapshot.numBytesOut, base?.numBytesOut ?? 0),
    operators: snapshot.operators.map((operator, index) => {
      const before = base?.operators[index] ?? NO_RECORDS;
      return {
        numRecordsInPerSecond: perSecond(operator.numRecordsIn, before.numRecordsIn),
        numRecordsOutPerSecond: perSecond(operator.numRecordsOut, before.numRecordsOut),
      };
    }),
  };
}

function totalMs(snapshot: TaskSnapshot): number {
  return snapshot.idleMs + snapshot.busyMs + snapshot.backPressuredMs;
}
