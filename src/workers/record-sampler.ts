import type { Clock } from '../base/clock.js';
import type { Prng } from '../base/prng.js';
import type { TaskCountersWriter } from '../metrics/counters.js';
import type { RecordScope } from '../operators/operator.js';
import type { KeySampler } from './key-sampler.js';
import type { OperatorTally, RecordSamples } from './operator-chain.js';

/** One record of so many is looked at, on average. */
const RECORDS_PER_SAMPLE = 64;
/** So many records are all looked at, for operators that see few. */
const SAMPLES_AT_FIRST = 256;

export interface RecordSamplerOptions {
  /** `null` for an operator without a key. */
  readonly keys: KeySampler | null;
  readonly counters: TaskCountersWriter;
  /** The operator's place in its chain. */
  readonly operatorIndex: number;
  readonly scope: RecordScope;
  readonly clock: Clock;
  readonly prng: Prng;
}

/**
 * Looks at some of the records of one operator: at their key, and at how long ago they were appended to the topic they come
 * from. Gaps between samples are drawn, so that a pattern in the order of the records cannot hide anything.
 *
 * Cost: a comparison per record, and a sample's work for one record in 64. Thread: the task's worker.
 */
export class RecordSampler implements RecordSamples {
  readonly #options: RecordSamplerOptions;

  constructor(options: RecordSamplerOptions) {
    this.#options = options;
  }

  sample(tally: OperatorTally): void {
    const { keys, counters, operatorIndex, scope, clock, prng } = this.#options;
    keys?.add();
    // What timers and sources without a topic emit was never appended.
    if (scope.originPartition >= 0) {
      // The clock of who appended it may be ahead of ours.
      counters.observeOperatorLatency(operatorIndex, Math.max(clock.now() - scope.originTime, 0));
    }
    const isFirst = tally.numRecordsIn < SAMPLES_AT_FIRST;
    tally.sampleAt = tally.numRecordsIn + 1 + (isFirst ? 0 : prng.below(2 * RECORDS_PER_SAMPLE - 1));
  }
}
