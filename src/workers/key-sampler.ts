import { canonicalKey } from '../api/internal/key-bytes.js';
import type { KeyedStateBackend } from '../api/internal/state-backend.js';
import { SpaceSaving } from '../metrics/space-saving.js';

const COUNTERS_MAX = 64;
/** Samples after which what came before counts half. */
const AGES_AFTER = 8192;

/** Which keys come most often at one operator of one subtask, from a sample of its records. Thread: the task's worker. */
export class KeySampler {
  readonly #keyedState: KeyedStateBackend;
  readonly #sketch = new SpaceSaving<string | number>(COUNTERS_MAX, AGES_AFTER);

  constructor(keyedState: KeyedStateBackend) {
    this.#keyedState = keyedState;
  }

  /** After a record was processed: its key is the current one. */
  add(): void {
    const key = this.#keyedState.getCurrentKey();
    if (key !== undefined) this.#sketch.add(typeof key === 'number' ? key : canonicalKey(key));
  }

  /** Samples that are remembered, and the most frequent keys among them. */
  read(limit: number): { total: number; keys: { key: string | number; count: number; error: number }[] } {
    const keys = this.#sketch.top(limit).map(({ item, count, error }) => ({ key: item, count, error }));
    return { total: this.#sketch.total, keys };
  }
}
