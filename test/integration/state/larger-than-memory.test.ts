import { describe, expect, it } from 'vitest';
import { valueState } from '../../../src/api/keyed-state.js';
import type { CheckpointId } from '../../../src/base/ids.js';
import type { StateStore } from '../../../src/state/state-store.js';
import { openStore } from '../../helpers/state-stores.js';
import { withTemporaryDirectory } from '../../helpers/temporary-directory.js';

const KEY_COUNT = 2_000_000;
const BUDGET_BYTES = 32 * 2 ** 20;
const KEYS_PER_BATCH = 1000;

/** What a worker does between two batches: upkeep, early checkpoints, and waiting while the base lags. */
class Upkeep {
  checkpoints = 0;
  mostBytes = 0;
  readonly #store: StateStore;
  #finishing: Promise<void> | null = null;

  constructor(store: StateStore) {
    this.#store = store;
  }

  async run(): Promise<void> {
    const store = this.#store;
    store.runSlice(0.5);
    if (store.needsCheckpoint && this.#finishing === null) this.#finishing = this.#checkpoint();
    do {
      this.mostBytes = Math.max(this.mostBytes, store.stats().memtableBytes);
      if (store.hasPendingIo) await turn();
      if (store.isOverloaded) store.runSlice(1);
    } while (store.isOverloaded);
  }

  async #checkpoint(): Promise<void> {
    const id = ++this.checkpoints as CheckpointId;
    this.#store.beginSnapshot('op', id);
    await this.#store.finishSnapshot(id);
    this.#store.notifyCheckpointComplete(id);
    this.#finishing = null;
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

describe('state larger than memory', () => {
  it('keeps two million keys in 32 MiB, every value right', { timeout: 120_000 }, async () => {
    await withTemporaryDirectory(async (directory) => {
      const store = await openStore(directory, { memtableBudgetBytes: BUDGET_BYTES });
      const operator = store.openBackend('op');
      const state = operator.valueState(valueState<number>('v'));
      const upkeep = new Upkeep(store);
      for (let key = 0; key < KEY_COUNT; key++) {
        operator.setCurrentKey(key);
        state.update(key * 3 + 1);
        if (key % KEYS_PER_BATCH === 0) await upkeep.run();
      }
      let wrong = 0;
      for (let key = 0; key < KEY_COUNT; key++) {
        operator.setCurrentKey(key);
        if (state.value() !== key * 3 + 1) wrong += 1;
        if (key % KEYS_PER_BATCH === 0) await upkeep.run();
      }
      expect(wrong).toBe(0);
      expect(upkeep.checkpoints).toBeGreaterThan(10);
      // Rows that changed while a checkpoint was under way are on top of the budget, until inputs wait.
      expect(upkeep.mostBytes).toBeLessThan(2.2 * BUDGET_BYTES);
      expect(store.stats().memtableBytes).toBeLessThan(1.3 * BUDGET_BYTES);
      await store.close();
    });
  });
});
