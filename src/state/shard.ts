import type { ShardId } from '../base/ids.js';
import { RestoredRows } from './restored-rows.js';
import type { SnapshotSection } from './section.js';
import { StateDictionary } from './state-dictionary.js';

/** What a store keeps for one of its shards beside the rows in memory. */
export class Shard {
  readonly id: ShardId;
  readonly dictionary = new StateDictionary();
  /** Rows restored into memory that no state has asked for yet; `null` where nothing was restored. */
  restored: RestoredRows | null = null;

  constructor(id: ShardId) {
    this.id = id;
  }

  /** Takes over the rows of these sections, oldest first. */
  restore(sections: readonly SnapshotSection[]): void {
    for (const section of sections) this.dictionary.merge(section.dictionary);
    this.restored = new RestoredRows(sections);
  }
}
