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
import type { ReplayedRows } from './replayed-rows.js';
import type { RowBase, StateRows } from './state-rows.js';

/** A row that a walk over a state has come to. */
export interface RowPlace {
  readonly keyGroup: number;
  readonly storedKey: Buffer;
}

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
  /** By shard: what the base is still to get of the checkpoint that the store goes on from. */
  #replayed: readonly (ReplayedRows | undefined)[];

  /** @param environments by shard; filled in by the owner as environments come into being */
  constructor(environments: readonly (LmdbEnvironment | null)[], replayed: readonly (ReplayedRows | undefined)[]) {
    this.#environments = environments;
    this.#replayed = replayed;
  }

  /** The bases hold by now what was replayed over them. */
  forgetReplayed(): void {
    this.#replayed = [];
  }

  mayHold(shard: ShardId): boolean {
    return this.#environments[shard] !== null || this.#replayed[shard] !== undefined;
  }

  read(rows: StateRows, entry: Entry): Buffer | null {
    const shard = this.#shardOf(entry.bits & KEY_GROUP_BITS);
    const environment = this.#environments[shard];
    const { key, namespace, subKey } = entry;
    const keyBytesMax = rowKeyBytesMax(key, namespace, subKey);
    this.#key.entry = entry;
    this.#key.stateId = rows.stateIds[shard] as number;
    const replayed = this.#replayed[shard];
    if (replayed !== undefined) {
      const scratch = Buffer.allocUnsafe(keyBytesMax);
      const found = replayed.read(scratch.subarray(0, this.#key.writeKey(scratch, 0)));
      if (found !== undefined) return found;
    }
    return environment?.read(this.#key, keyBytesMax) ?? null;
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
    this.#readRange(shard, scratch.subarray(0, end), (rowKey, value) => {
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
      this.#readRange(shard, prefix, (rowKey) => {
        visit(rowKey, keyGroup);
        return true;
      });
    }
  }

  /**
   * Visits the next rows of a state in a shard, at most so many. None while rows are replayed over the base: it does not know
   * the newest then.
   *
   * @param from where the visit before has ended; `null` for the beginning
   * @returns where to go on, `null` behind the last row; and how many rows were visited
   */
  visitState(
    rows: StateRows,
    shard: ShardId,
    from: RowPlace | null,
    countMax: number,
    visit: (rowKey: Buffer, keyGroup: number, value: Buffer) => void,
  ): { place: RowPlace | null; count: number } {
    if (this.#replayed[shard] !== undefined) return { place: null, count: 0 };
    const prefix = Buffer.alloc(ROW_KEY_HEADER_BYTES);
    prefix.writeUInt16BE(rows.stateIds[shard] as number, 2);
    let count = 0;
    let place: RowPlace | null = null;
    const first: number = from?.keyGroup ?? shard;
    for (let keyGroup = first; keyGroup < KEY_GROUP_COUNT; keyGroup += this.#environments.length) {
      prefix.writeUInt16BE(keyGroup, 0);
      const read = (rowKey: Buffer, value: Buffer, storedKey: Buffer): boolean => {
        visit(rowKey, keyGroup, value);
        count++;
        if (count === countMax) place = { keyGroup, storedKey: Buffer.from(storedKey) };
        return place === null;
      };
      this.#environments[shard]?.readRange(prefix, read, keyGroup === from?.keyGroup ? from.storedKey : null);
      if (place !== null) break;
    }
    return { place, count };
  }

  #readRange(shard: number, prefix: Buffer, visit: (rowKey: Buffer, value: Buffer) => boolean): void {
    const environment = this.#environments[shard];
    const replayed = this.#replayed[shard];
    if (replayed === undefined) environment?.readRange(prefix, visit);
    else replayed.readRange(prefix, (visitStored) => environment?.readRange(prefix, visitStored), visit);
  }

  #shardOf(keyGroup: number): number {
    return keyGroup & (this.#environments.length - 1);
  }
}
