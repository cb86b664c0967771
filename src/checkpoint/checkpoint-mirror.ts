/**
 * Copies completed checkpoints into the checkpoint store, in the background: the local commit waits for no network.
 *
 * ```text
 *   committed ─▶ segments kept ─▶ every interval: bases, if needed ▸ segments that are not there yet ▸ manifest ▸ sweep
 * ```
 *
 * - **Invariant:** a manifest is written after everything that it names, and nothing that a retained manifest names is deleted:
 *   whoever reads the store finds a whole checkpoint, whenever this process is killed.
 * - Each segment is sent once. Bases are sent when the segments since the last copies are more, or larger, than a restore should
 *   have to replay.
 * - What waits to be sent is bounded: beyond that it is given up, and the bases are sent anew. So a store that cannot be reached
 *   costs disk up to the bound, and the copies there grow old, which the metrics show.
 *
 * Thread: main.
 */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { Clock } from '../base/clock.js';
import type { Logger } from '../base/log.js';
import { ArchivedState } from './archived-state.js';
import type { CheckpointArchive } from './checkpoint-archive.js';
import type { CheckpointManifest } from './checkpoint-manifest.js';
import { readAtomicFile, writeAtomicFile } from '../storage/atomic-file.js';
import { archiveBase, type BaseCopier } from './archive-base.js';
import { SegmentKeeper } from './segment-keeper.js';

export interface CheckpointMirrorOptions {
  readonly archive: CheckpointArchive;
  readonly copyBase: BaseCopier;
  /** The folder of local checkpoints. */
  readonly checkpointDir: string;
  readonly segmentDir: string;
  /** Where the job goes on from; `null` for a start from nothing. */
  readonly latest: CheckpointManifest | null;
  /** Least time between two checkpoints there. */
  readonly intervalMs: number;
  readonly clock: Clock;
  /** Calls back later, without keeping the process alive. @returns what takes it back */
  readonly callLater: (run: () => void, delayMs: number) => () => void;
  readonly logger: Logger;
}

/** For metrics. */
export interface CheckpointMirrorStats {
  /** Of the newest checkpoint in the store; `null` before the first. */
  readonly ageMs: number | null;
  /** Of segments that wait to be sent. */
  readonly waitingBytes: number;
  /** Of segments and bases, since the start. */
  readonly sentBytes: number;
  readonly failures: number;
}

/** A second one is what is left when the newest is damaged. */
const RETAINED = 2;
/** Bases are sent anew when this much has to be replayed over them … */
const SEGMENT_BYTES_MAX = 256 << 20;
/** … or this many files, at one a second a quarter of an hour: each is named in every manifest. */
const SEGMENT_COUNT_MAX = 1000;
/** So much may wait on the local disk to be sent. */
const WAITING_BYTES_MAX = 2 ** 30;

export class CheckpointMirror {
  readonly #options: CheckpointMirrorOptions;
  readonly #writer: string;
  readonly #keeper: SegmentKeeper;
  /** Segments that are in the store. */
  readonly #sent: Set<string>;
  #state: ArchivedState;
  /** Oldest first, as described. */
  #archived: CheckpointManifest[];
  #newest: CheckpointManifest | null = null;
  /** Takes the next attempt back; `null` when none is due. */
  #cancel: (() => void) | null = null;
  #sending: Promise<void> | null = null;
  #isClosed = false;
  #sentBytes = 0;
  #failures = 0;
  /** Since the last success. */
  #failure: Error | null = null;

  private constructor(
    options: CheckpointMirrorOptions,
    writer: string,
    keeper: SegmentKeeper,
    own: CheckpointManifest[],
  ) {
    this.#options = options;
    this.#writer = writer;
    this.#keeper = keeper;
    this.#archived = own;
    this.#state = new ArchivedState();
    const last = own.at(-1);
    const goesOn = last !== undefined && options.latest !== null && this.#state.adopt(last, options.latest);
    this.#sent = new Set(goesOn ? own.flatMap(filesOf) : []);
  }

  /**
   * Finds out what this data folder has in the store already.
   *
   * @throws MillraceError `MILLRACE_CHECKPOINT_STORE_FAILED` when the store cannot be read: a wrong name or missing rights show at
   *   the start, not in the hour of need
   */
  static async open(options: CheckpointMirrorOptions): Promise<CheckpointMirror> {
    const { archive, checkpointDir, segmentDir, latest } = options;
    const writer = await writerOf(checkpointDir);
    const own: CheckpointManifest[] = [];
    for (const checkpoint of await archive.list()) {
      if (checkpoint.writer !== writer) continue;
      const manifest = await archive.get(checkpoint);
      if (manifest !== null) own.push(manifest);
    }
    const keeper = await SegmentKeeper.open(segmentDir, join(checkpointDir, 'unsent'));
    const mirror = new CheckpointMirror(options, writer, keeper, own);
    if (latest !== null) await mirror.onCommitted(latest);
    return mirror;
  }

  /** A checkpoint is complete. To be awaited before the next one completes; never rejects, and waits for no network. */
  async onCommitted(manifest: CheckpointManifest): Promise<void> {
    try {
      if (this.#keeper.bytes > WAITING_BYTES_MAX) await this.#startAnew('too much waits to be sent');
      this.#newest = manifest;
      this.#state.add(manifest);
      const segments = manifest.snapshots.flatMap((snapshot) => snapshot.segments);
      await this.#keeper.keep(segments.filter(({ file }) => !this.#sent.has(file)));
    } catch (error) {
      this.#fail(error as Error);
      await this.#startAnew('a segment could not be kept').catch(() => undefined);
    }
    this.#sendLater();
  }

  /** Sends the newest checkpoint, once more, and ends. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#cancel?.();
    await this.#sending;
    await this.#send();
  }

  stats(): CheckpointMirrorStats {
    const newest = this.#archived.at(-1);
    return {
      ageMs: newest === undefined ? null : Math.max(0, this.#options.clock.now() - newest.timestamp),
      waitingBytes: this.#keeper.bytes,
      sentBytes: this.#sentBytes,
      failures: this.#failures,
    };
  }

  /** One sending at a time: a second one's sweep would take what the first has put and not yet named in a manifest. */
  #sendLater(): void {
    if (this.#cancel !== null || this.#sending !== null || this.#isClosed) return;
    this.#cancel = this.#options.callLater(() => {
      this.#cancel = null;
      this.#sending = this.#send().finally(() => {
        this.#sending = null;
        // A later one may have come meanwhile, or this one failed.
        if (this.#newest?.checkpointId !== this.#archived.at(-1)?.checkpointId) this.#sendLater();
      });
    }, this.#options.intervalMs);
  }

  async #send(): Promise<void> {
    const newest = this.#newest?.checkpointId;
    if (newest === undefined || newest === this.#archived.at(-1)?.checkpointId) return;
    try {
      await this.#sendBases();
      await this.#sendNewest();
      if (this.#failure !== null) this.#options.logger.info({}, 'the checkpoint store is up to date again');
      this.#failure = null;
    } catch (error) {
      this.#fail(error as Error);
    }
  }

  async #sendBases(): Promise<void> {
    const { archive, copyBase, checkpointDir } = this.#options;
    const state = this.#state;
    const isLong = state.segmentBytes > SEGMENT_BYTES_MAX || state.segmentCount > SEGMENT_COUNT_MAX;
    // While the process ends its workers are gone.
    if (this.#isClosed) return;
    const folder = archive.folderOf(this.#writer);
    for (const shard of isLong ? state.changedBases() : state.missingBases()) {
      const base = await archiveBase(folder, copyBase, shard, join(checkpointDir, 'unsent-base'));
      state.addBase(base, this.#newest?.checkpointId ?? 0);
    }
  }

  async #sendNewest(): Promise<void> {
    const { archive } = this.#options;
    const described = this.#newest === null ? null : this.#state.describe(this.#newest);
    // The bases serve from a checkpoint on that is still to come.
    if (described === null) return;
    const folder = archive.folderOf(this.#writer);
    for (const segment of described.snapshots.flatMap(({ segments }) => segments)) {
      if (this.#sent.has(segment.file)) continue;
      this.#sentBytes += await folder.putSegment(segment.file, this.#keeper.pathOf(segment.file));
      this.#sent.add(segment.file);
    }
    await archive.put(this.#writer, described);
    this.#archived.push(described);
    await this.#dropOld(described);
  }

  async #dropOld(newest: CheckpointManifest): Promise<void> {
    const { archive } = this.#options;
    const dropped = this.#archived.slice(0, -RETAINED);
    this.#archived = this.#archived.slice(-RETAINED);
    this.#state.prune(newest.checkpointId);
    await this.#keeper.releaseUpTo(newest.checkpointId);
    if (dropped.length === 0) return;
    for (const { checkpointId } of dropped) await archive.delete({ writer: this.#writer, checkpointId });
    await archive.folderOf(this.#writer).sweep(this.#archived);
    const needed = new Set(this.#archived.flatMap(filesOf));
    for (const file of this.#sent) if (!needed.has(file)) this.#sent.delete(file);
  }

  /** Gives up what waits: the next checkpoint is sent with its bases. */
  async #startAnew(reason: string): Promise<void> {
    this.#options.logger.warn(
      { store: this.#options.archive.location, reason },
      'the checkpoint store will get state anew',
    );
    this.#state = new ArchivedState();
    await this.#keeper.release(this.#keeper.files);
  }

  #fail(error: Error): void {
    this.#failures += 1;
    // Told once, not with every attempt.
    if (this.#failure?.message !== error.message) {
      const { location } = this.#options.archive;
      this.#options.logger.warn(
        { store: location, err: error },
        'a checkpoint could not be sent to the checkpoint store',
      );
    }
    this.#failure = error;
  }
}

function filesOf({ snapshots }: CheckpointManifest): string[] {
  return snapshots.flatMap(({ segments }) => segments.map(({ file }) => file));
}

/** The name under which a data folder writes; made at the first use. */
async function writerOf(checkpointDir: string): Promise<string> {
  const path = join(checkpointDir, 'writer');
  const known = await readAtomicFile(path, 'MILLRACE_STATE_CORRUPT');
  if (known !== null) return known.toString('utf8');
  const writer = randomBytes(8).toString('hex');
  await writeAtomicFile(path, Buffer.from(writer, 'utf8'));
  return writer;
}
