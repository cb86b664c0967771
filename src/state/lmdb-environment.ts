import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { open, type RootDatabase } from 'lmdb';
import { KEY_GROUP_COUNT } from '../api/internal/key-groups.js';
import { MillraceError } from '../base/errors.js';
import type { ShardId } from '../base/ids.js';
import { createDirectory } from '../storage/disk.js';
import { probeFile } from '../storage/file-probe.js';
import { checksumOf } from './checksum.js';
import { settledWithin } from './event-loop.js';
import { prefixEnd } from './key-encoding.js';
import { CHECKED_BYTES_MAX, checkLmdbFile, isCutShort, META_PROBE_BYTES } from './lmdb-file-check.js';
import type { MergeCursor, SectionCursor } from './section.js';
import type { DictionaryEntry } from './state-dictionary.js';

/**
 * The LMDB environment of one shard: its base. The only importer of lmdb.
 *
 * An environment is opened, used and closed by one thread. It holds completed checkpoints only: {@link writeRows} is called
 * with segments of completed checkpoints, and the meta row, written in the transaction that ends a shard's part, says
 * which. A crash in between leaves some rows of that checkpoint; they are written again from the segment, which is kept
 * until {@link flushed}, and mean the same.
 *
 * Writes are asynchronous: lmdb-js carries them out on a native thread. Never `noSync`: a kill may corrupt such a file
 * beyond repair. Readers of the present snapshot are dropped by {@link resetReader}; an open reader keeps LMDB from reusing
 * pages, and the file grows.
 *
 * ```text
 * row    row key                       → checksum u32 │ value
 * row    row key's first 1,500 bytes   → checksum u32 │ key length u16 │ row key │ value
 *        and its SHA-256: keys longer
 *        than 1,500 bytes
 * meta   ff                            → checksum u32 │ JSON
 * ```
 *
 * The checksum is that of the key and of what follows the checksum: LMDB itself has none.
 */

/** LMDB's own limit is 1,978 bytes with pages of 4 KiB. */
const PLAIN_KEY_BYTES_MAX = 1500;
const LONG_KEY_BYTES = PLAIN_KEY_BYTES_MAX + 32;
/** Up to so many bytes a loop copies a key faster than a call into native code. */
const LOOP_BYTES_MAX = 64;
const META_KEY = Buffer.of(0xff);
const FORMAT_VERSION = 1;
/** Address space, not disk: the file only grows as rows are written. LMDB remaps by itself beyond it. */
const MAP_BYTES = 16 * 2 ** 30;

/** Writes a key into LMDB's own buffer: what reads and writes are given instead of a key, so that no buffer is made. */
export interface KeySource {
  /** @returns the position behind the key */
  writeKey(target: Buffer, at: number): number;
}

interface Meta {
  readonly format: number;
  readonly shard: number;
  readonly shardCount: number;
  readonly keyGroupCount: number;
  readonly appliedCheckpointId: number;
  readonly dictionary: readonly DictionaryEntry[];
}

/** Of the row of a section that is to be written: its key, in place. */
class SectionKey implements KeySource {
  cursor: SectionCursor | null = null;

  writeKey(target: Buffer, at: number): number {
    const { source, keyStart, keyEnd } = this.cursor as SectionCursor;
    if (keyEnd - keyStart > LOOP_BYTES_MAX) source.copy(target, at, keyStart, keyEnd);
    else for (let from = keyStart, to = at; from < keyEnd; from++) target[to++] = source[from] as number;
    return at + keyEnd - keyStart;
  }
}

/** The key of a read. Its checksum is taken on the way: LMDB's buffer is overwritten by the result. */
class ReadKey implements KeySource {
  source: KeySource | null = null;
  checksum = 0;

  writeKey(target: Buffer, at: number): number {
    const end = (this.source as KeySource).writeKey(target, at);
    this.checksum = checksumOf(target, at, end, 0);
    return end;
  }
}

const keyEncoder = {
  writeKey(key: KeySource | Uint8Array, target: Buffer, at: number): number {
    if (!(key instanceof Uint8Array)) return key.writeKey(target, at);
    target.set(key, at);
    return at + key.length;
  },
  readKey: (source: Buffer, start: number, end: number): Buffer => Buffer.from(source.subarray(start, end)),
};

export class LmdbEnvironment {
  readonly path: string;
  readonly shard: ShardId;
  readonly #shardCount: number;
  readonly #db: RootDatabase<Buffer, Buffer>;
  readonly #sectionKey = new SectionKey();
  readonly #readKey = new ReadKey();
  #meta: Meta;
  /** The newest checkpoint that is known to be here durably. */
  durableCheckpointId = 0;
  /** Of its file. */
  bytesAtOpening = 0;
  /** Whether all of its file has been checked, or is not to be: see lmdb-file-check.ts. */
  isChecked = true;
  /** What the process before committed may be no further than in the kernel's memory. */
  isFlushed = true;
  #hasFailed = false;
  #isClosed = false;

  private constructor(path: string, shard: ShardId, shardCount: number, db: RootDatabase<Buffer, Buffer>) {
    this.path = path;
    this.shard = shard;
    this.#shardCount = shardCount;
    this.#db = db;
    this.#meta = {
      format: FORMAT_VERSION,
      shard,
      shardCount,
      keyGroupCount: KEY_GROUP_COUNT,
      appliedCheckpointId: 0,
      dictionary: [],
    };
  }

  /**
   * Opens the environment in this folder; `null` when there is none. A file of up to so many bytes is checked before.
   *
   * @param durable the checkpoint that it is known to hold durably
   */
  static async openExisting(
    path: string,
    { shard, shardCount }: { readonly shard: ShardId; readonly shardCount: number },
    { checkedBytesMax, durable }: { readonly checkedBytesMax: number; readonly durable: number },
  ): Promise<LmdbEnvironment | null> {
    const dataFile = join(path, 'data.mdb');
    const probe = await probeFile(dataFile, META_PROBE_BYTES);
    if (probe === null || probe.sizeBytes === 0) return null;
    const { sizeBytes } = probe;
    const wholeBytesMax = isCutShort(probe.start, sizeBytes) ? CHECKED_BYTES_MAX : checkedBytesMax;
    const { start } = (sizeBytes <= wholeBytesMax ? await probeFile(dataFile, sizeBytes) : null) ?? probe;
    const fault = checkLmdbFile(start, sizeBytes);
    if (fault !== null) throw corrupt(dataFile, fault);
    const environment = LmdbEnvironment.create(path, shard, shardCount);
    environment.#readMeta();
    environment.durableCheckpointId = durable;
    environment.isFlushed = environment.appliedCheckpointId <= durable;
    environment.isChecked = sizeBytes <= wholeBytesMax || sizeBytes > CHECKED_BYTES_MAX;
    environment.bytesAtOpening = sizeBytes;
    return environment;
  }

  /** Makes the environment, with its folder. */
  static create(path: string, shard: ShardId, shardCount: number): LmdbEnvironment {
    try {
      const db = open<Buffer, Buffer>({
        path,
        encoding: 'binary',
        keyEncoder,
        mapSize: MAP_BYTES,
        maxDbs: 1,
        maxReaders: 16,
        // Transactions begin with the first batch handed over and end with it, instead of staying open, on a thread of
        // the pool, until the event loop turns.
        eventTurnBatching: false,
      });
      return new LmdbEnvironment(path, shard, shardCount, db);
    } catch (error) {
      throw lmdbError(error, path);
    }
  }

  /** The newest checkpoint whose rows are all here; 0 when there is none. */
  get appliedCheckpointId(): number {
    return this.#meta.appliedCheckpointId;
  }

  get dictionary(): readonly DictionaryEntry[] {
    return this.#meta.dictionary;
  }

  /** Resolves when everything that was committed is on disk. */
  async flushed(): Promise<void> {
    await this.#db.flushed;
  }

  /**
   * Writes a compacted copy into a folder, as its `data.mdb`, on a native thread while reading and writing go on here.
   *
   * The copy is of one moment between now and the end: it holds what is durable here now, and it may hold rows of any
   * checkpoint that completes before this resolves.
   */
  async copyTo(folder: string): Promise<void> {
    await createDirectory(folder);
    try {
      await this.#db.backup(folder, true);
    } catch (error) {
      throw lmdbError(error, this.path);
    }
  }

  resetReader(): void {
    if (!this.#isClosed) this.#db.resetReadTxn();
  }

  /** The value of a row, valid until the next read; `null` when there is none. For keys of any length. */
  read(key: KeySource, keyBytesMax: number): Buffer | null {
    try {
      if (keyBytesMax > PLAIN_KEY_BYTES_MAX) return this.#readMaybeLong(key, keyBytesMax);
      this.#readKey.source = key;
      // lmdb-js hands the key over to the encoder as it is.
      const found = this.#db.getBinaryFast(this.#readKey as unknown as Buffer);
      return found === undefined ? null : this.#checked(found, this.#readKey.checksum);
    } catch (error) {
      throw lmdbError(error, this.path);
    }
  }

  /**
   * Visits the rows whose keys begin with `prefix`, in the order of their stored keys, until `visit` returns false.
   *
   * @param after goes on behind this stored key
   */
  readRange(
    prefix: Buffer,
    visit: (key: Buffer, value: Buffer, storedKey: Buffer) => boolean,
    after: Buffer | null = null,
  ): void {
    const start = prefix.subarray(0, PLAIN_KEY_BYTES_MAX);
    try {
      for (const { key, value } of this.#db.getRange({ start: after ?? start, end: prefixEnd(start) })) {
        if (after !== null && key.equals(after)) continue;
        const row = this.#checkedAt(key, value);
        if (key.length !== LONG_KEY_BYTES) {
          if (key.length >= prefix.length && !visit(key, row, key)) return;
          continue;
        }
        const keyEnd = 2 + row.readUInt16LE(0);
        const fullKey = row.subarray(2, keyEnd);
        if (fullKey.subarray(0, prefix.length).equals(prefix) && !visit(fullKey, row.subarray(keyEnd), key)) return;
      }
    } catch (error) {
      throw lmdbError(error, this.path);
    }
  }

  /**
   * Hands the next rows of segments to the native writer, as one transaction.
   *
   * @param end what to record in this transaction if it takes the last row. To be given only when every transaction before
   *   it has been committed: one that failed must not be followed by a record that says all rows are there.
   * @returns whether `end` was recorded, and the promise of the commit
   */
  writeRows(
    cursor: MergeCursor,
    rowsMax: number,
    end: BaseProgress | null,
  ): { isEnd: boolean; committed: Promise<unknown> } {
    let isEnd = false;
    const committed = this.#db.batch(() => {
      let count = 0;
      while (count < rowsMax && cursor.advance()) {
        this.#writeRow(cursor.current as SectionCursor);
        count += 1;
      }
      isEnd = end !== null && count < rowsMax;
      if (isEnd) this.#writeMeta(end as BaseProgress);
    });
    return { isEnd, committed: committed.catch(async (error: unknown) => this.#throwCommitError(error)) };
  }

  /** The error that says what is wrong with the file. */
  damaged(fault: string): MillraceError {
    return corrupt(join(this.path, 'data.mdb'), fault);
  }

  /** Waits for writes under way. May be called twice. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const closing = this.#db.close();
    // After a failed transaction lmdb-js waits for a flush that never comes. The thread is about to end then, and the
    // environment with it.
    await (this.#hasFailed ? settledWithin(closing, CLOSE_TURNS_MAX) : closing);
  }

  /**
   * Why a transaction failed. lmdb-js says so through a second promise on its error, which must be handled in any case: left
   * alone, its rejection ends the process.
   */
  async #throwCommitError(error: unknown): Promise<never> {
    this.#hasFailed = true;
    const { commitError } = error as { commitError?: Promise<unknown> };
    let cause = error;
    try {
      await commitError;
    } catch (reason) {
      cause = reason;
    }
    throw lmdbError(cause, this.path);
  }

  #writeRow(row: SectionCursor): void {
    const keyLength = row.keyEnd - row.keyStart;
    if (keyLength > PLAIN_KEY_BYTES_MAX) {
      this.#writeLongRow(row);
      return;
    }
    this.#sectionKey.cursor = row;
    const key = this.#sectionKey as unknown as Buffer;
    if (row.isTombstone) {
      void this.#db.remove(key);
      return;
    }
    const { source, keyStart, keyEnd, valueEnd } = row;
    const keyChecksum = checksumOf(source, keyStart, keyEnd, 0);
    source.writeUInt32LE(checksumOf(source, keyEnd + 4, valueEnd, keyChecksum), keyEnd);
    void this.#db.put(key, source.subarray(keyEnd, valueEnd));
  }

  #writeLongRow(row: SectionCursor): void {
    const { source, keyStart, keyEnd, valueEnd } = row;
    const rowKey = source.subarray(keyStart, keyEnd);
    const key = longKey(rowKey);
    if (row.isTombstone) {
      void this.#db.remove(key);
      return;
    }
    const head = Buffer.alloc(6);
    head.writeUInt16LE(rowKey.length, 4);
    const bytes = Buffer.concat([head, rowKey, source.subarray(keyEnd + 4, valueEnd)]);
    this.#putChecked(key, bytes);
  }

  #writeMeta({ checkpointId, dictionary }: BaseProgress): void {
    this.#meta = { ...this.#meta, appliedCheckpointId: checkpointId, dictionary };
    const json = Buffer.from(JSON.stringify(this.#meta), 'utf8');
    const bytes = Buffer.alloc(4 + json.length);
    json.copy(bytes, 4);
    this.#putChecked(META_KEY, bytes);
  }

  /** Puts `bytes`, which begin with room for the checksum. */
  #putChecked(key: Buffer, bytes: Buffer): void {
    bytes.writeUInt32LE(checksumOf(bytes, 4, bytes.length, checksumOf(key, 0, key.length, 0)), 0);
    void this.#db.put(key, bytes);
  }

  #readMeta(): void {
    let bytes: Buffer | undefined;
    try {
      bytes = this.#db.getBinary(META_KEY);
    } catch (error) {
      throw lmdbError(error, this.path);
    }
    // Made, and killed before the first transaction: as good as not there.
    if (bytes === undefined) return;
    const meta = JSON.parse(this.#checkedAt(META_KEY, bytes).toString('utf8')) as Meta;
    if (meta.format !== FORMAT_VERSION) {
      throw new MillraceError(
        'MILLRACE_STATE_INCOMPATIBLE',
        `the state base '${this.path}' has format version ${meta.format}, this release reads ${FORMAT_VERSION}`,
        { details: { path: this.path, version: meta.format } },
      );
    }
    if (meta.shard !== this.shard || meta.shardCount !== this.#shardCount) {
      throw corrupt(
        this.path,
        `it holds shard ${meta.shard} of ${meta.shardCount} where shard ${this.shard} of ${this.#shardCount} belongs`,
      );
    }
    this.#meta = meta;
  }

  #readMaybeLong(key: KeySource, keyBytesMax: number): Buffer | null {
    const scratch = Buffer.alloc(keyBytesMax);
    const rowKey = scratch.subarray(0, key.writeKey(scratch, 0));
    const isLong = rowKey.length > PLAIN_KEY_BYTES_MAX;
    const lmdbKey = isLong ? longKey(rowKey) : rowKey;
    const found = this.#db.getBinaryFast(lmdbKey);
    if (found === undefined) return null;
    const row = this.#checkedAt(lmdbKey, found);
    return isLong ? row.subarray(2 + row.readUInt16LE(0)) : row;
  }

  #checkedAt(key: Buffer, bytes: Buffer): Buffer {
    return this.#checked(bytes, checksumOf(key, 0, key.length, 0));
  }

  /** The bytes behind the checksum, if it is theirs. */
  #checked(bytes: Buffer, keyChecksum: number): Buffer {
    // lmdb-js sets the length of its reusable buffer to that of the value.
    const length = bytes.length;
    if (length < 4 || checksumOf(bytes, 4, length, keyChecksum) !== bytes.readUInt32LE(0)) {
      throw corrupt(join(this.path, 'data.mdb'), 'a row does not match its checksum');
    }
    return bytes.subarray(4, length);
  }
}

/** How long closing waits after a failure. */
const CLOSE_TURNS_MAX = 100;

/** What a transaction records beside its rows. */
export interface BaseProgress {
  readonly checkpointId: number;
  readonly dictionary: readonly DictionaryEntry[];
}

function longKey(rowKey: Buffer): Buffer {
  const hash = createHash('sha256').update(rowKey).digest();
  return Buffer.concat([rowKey.subarray(0, PLAIN_KEY_BYTES_MAX), hash]);
}

function corrupt(path: string, reason: string): MillraceError {
  return new MillraceError('MILLRACE_STATE_CORRUPT', `the state base '${path}' is damaged: ${reason}`, {
    details: { path },
    hint: 'Stop, keep a copy of the data folder, look at the disk, and restore the state from a copy.',
  });
}

const corruptionTexts = /MDB_(CORRUPTED|PAGE_NOTFOUND|INVALID|PANIC|VERSION_MISMATCH|BAD_TXN)|Invalid key size/;
const fullTexts = /MDB_MAP_FULL|ENOSPC|No space left|EDQUOT|EFBIG/;

/** Turns an error of lmdb-js into one with a code. */
function lmdbError(error: unknown, path: string): MillraceError {
  if (MillraceError.is(error)) return error;
  const text = error instanceof Error ? error.message : String(error);
  if (corruptionTexts.test(text)) return corrupt(path, text);
  const code = fullTexts.test(text) ? 'MILLRACE_STORAGE_FULL' : 'MILLRACE_STORAGE_FAILED';
  return new MillraceError(code, `access to the state base '${path}' failed: ${text}`, {
    details: { path },
    cause: error,
  });
}
