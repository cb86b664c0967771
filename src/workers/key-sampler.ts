import { canonicalKey } from '../api/internal/key-bytes.js';
import type { KeyedStateBackend } from '../api/internal/state-backend.js';
import type { Prng } from '../base/prng.js';
import { SpaceSaving } from '../metrics/space-saving.js';
import type { OperatorTally } from './operator-chain.js';

/** One record of so many is looked at, on average. */
const RECORDS_PER_SAMPLE = 64;
/** So many records are all looked at, for operators that see few. */
const SAMPLES_AT_FIRST = 256;
const COUNTERS_MAX = 64;
/** Samples after which what came before counts half. */
const AGES_AFTER = 8192;

/**
 * Which keys come most often at one operator of one subtask, from a sample of its records. Gaps between samples are drawn, so
 * that a pattern in the order of the records cannot hide a key.
 *
 * Cost: a comparison per record, and a sample's look-up for one record in 64. Thread: the task's worker.
 */
export class KeySampler {
  readonly #keyedState: KeyedStateBackend;
  readonly #prng: Prng;
  readonly #sketch = new SpaceSaving<string | number>(COUNTERS_MAX, AGES_AFTER);

  constructor(keyedState: KeyedStateBackend, prng: Prng) {
    this.#keyedState = keyedState;
    this.#prng = prng;
  }

  /** After a record was processed: its key is the current one. Says in the tally when to come again. */
  sample(tally: OperatorTally): void {
    const key = this.#keyedState.getCurrentKey();
    if (key !== undefined) this.#sketch.add(typeof key === 'number' ? key : canonicalKey(key));
    const isFirst = tally.numRecordsIn < SAMPLES_AT_FIRST;
    tally.sampleAt = tally.numRecordsIn + 1 + (isFirst ? 0 : this.#prng.below(2 * RECORDS_PER_SAMPLE - 1));
  }

  /** Samples that are remembered, and the most frequent keys among them. */
  read(limit: number): { total: number; keys: { key: string | number; count: number; error: number }[] } {
    const keys = this.#sketch.top(limit).map(({ item, count, error }) => ({ key: item, count, error }));
    return { total: this.#sketch.total, keys };
  }
}
