import { KEY_GROUP_COUNT } from '../api/internal/key-groups.js';
import type { Namespace } from '../api/internal/state-backend.js';
import type { ShardId } from '../base/ids.js';
import { type Entry, KEY_GROUP_BITS } from './entry.js';
import {
  isLongerElement,
  ROW_KEY_HEADER_BYTES,
  RowKeyReader,
  rowKeyBytesMax,
  writeRowKey,
  writeRowPrefix,
} from './key-encoding.js';
import type { KeySource, LmdbEnvironment } from './lmdb-environment.js';
import type { RowBase, StateRows } from './state-rows.js';

/** The key of an entry's row, written straight into LMDB's buffer. */
class EntryKey implements KeySource {
  entry: Entry | null = null;
  stateId = 0;

  writeKey(target: Buffer, at: number): number {
    const { bits, key, namespace, subKey } = this.entry as Entry;
    return writeRowKey(target, at, bits & KEY_GROUP_BITS, this.stateId, key, namespace, subKey);
  }
}

/**
 * The bases of all shards of a store as the rows beneath its memtable. A shard whose environment does not exist yet has no
 * stored row, and is never asked.
 */
export class LmdbRowBase implements RowBase {
  readonly #environments: readonly (LmdbEnvironment | null)[];
  readonly #key = new EntryKey();

  /** @param environments by shard; filled in by the owner as environments come into being */
  constructor(environments: readonly (LmdbEnvironment | null)[]) {
    this.#environments = environments;
  }

  mayHold(shard: ShardId): boolean {
    return this.#environments[shard] !== null;
  }

  read(rows: StateRows, entry: Entry): Buffer | null {
    const shard = this.#shardOf(entry.bits & KEY_GROUP_BITS);
    const environment = this.#environments[shard];
    if (environment === null || environment === undefined) return null;
    const { key, namespace, subKey } = entry;
    this.#key.entry = entry;
    this.#key.stateId = rows.stateIds[shard] as number;
    return environment.read(this.#key, rowKeyBytesMax(key, namespace, subKey));
  }

  readSubRows(
    rows: StateRows,
    keyGroup: number,
    key: unknown,
    namespace: Namespace,
    visit: (reader: RowKeyReader, value: Buffer) => boolean,
  ): void {
    const shard = this.#shardOf(keyGroup);
    const scratch = Buffer.alloc(rowKeyBytesMax(key, namespace, undefined));
    const end = writeRowPrefix(scratch, 0, keyGroup, rows.stateIds[shard] as number, key, namespace);
    const reader = new RowKeyReader();
    this.#environments[shard]?.readRange(scratch.subarray(0, end), (rowKey, value) => {
      if (isLongerElement(rowKey[end])) return true;
      reader.open(rowKey, end - ROW_KEY_HEADER_BYTES, rowKey.length);
      return visit(reader, value);
    });
  }

  readState(rows: StateRows, shard: ShardId, visit: (rowKey: Buffer, keyGroup: number) => void): void {
    const prefix = Buffer.alloc(ROW_KEY_HEADER_BYTES);
    prefix.writeUInt16BE(rows.stateIds[shard] as number, 2);
    for (let keyGroup = shard as number; keyGroup < KEY_GROUP_COUNT; keyGroup += this.#environments.length) {
      prefix.writeUInt16BE(keyGroup, 0);
      this.#environments[shard]?.readRange(prefix, (rowKey) => {
        visit(rowKey, keyGroup);
        return true;
      });
    }
  }

  #shardOf(keyGroup: number): number {
    return keyGroup & (this.#environments.length - 1);
  }
}
