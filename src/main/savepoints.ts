/**
 * Savepoints: checkpoints that a person asked for, with everything they need, in a folder of their own.
 *
 * 1. The segments of the newest checkpoint are kept, and those of every checkpoint that follows.
 * 2. Bases are copied, while the job runs on (checkpoint/archived-state.ts says why a fuzzy copy will do).
 * 3. A checkpoint is taken. It is the savepoint.
 * 4. Its segments are written to the folder, then its manifest: only then is there a savepoint.
 *
 * One is taken at a time; others wait their turn. Thread: main.
 */
import { randomUUID } from 'node:crypto';
import { join, resolve } from 'node:path';
import { MillraceError } from '../base/errors.js';
import type { Logger } from '../base/log.js';
import { ArchiveFolder } from '../checkpoint/archive-folder.js';
import { ArchivedState } from '../checkpoint/archived-state.js';
import type { CheckpointId } from '../base/ids.js';
import type { CheckpointManifest } from '../checkpoint/checkpoint-manifest.js';
import type { Environment } from '../checkpoint/object-store.js';
import { openObjectStore } from '../checkpoint/open-object-store.js';
import { archiveBase, type BaseCopier } from '../checkpoint/archive-base.js';
import { listSavepoints, openSavepoint, SAVEPOINT_MANIFEST } from '../checkpoint/savepoint-folder.js';
import type { SavepointControl, SavepointInfo, SavepointOperation, SavepointRequest } from './savepoint-control.js';
import { SegmentKeeper } from '../checkpoint/segment-keeper.js';

/** What a savepoint needs of the job that runs. */
export interface SavepointJob {
  isRunning(): boolean;
  readonly copyBase: BaseCopier;
  /** Takes a checkpoint that begins after the call. */
  takeCheckpoint(): Promise<unknown>;
  /** The savepoint holds what this checkpoint does. */
  markSavepoint(checkpointId: CheckpointId): void;
  /** Nothing more is read from the topics: the next checkpoint covers everything that has been. */
  stopReading(): void;
  /** Reads on: the job does not end after all. */
  resumeReading(): void;
  /** Ends the job in order. */
  stop(): void;
}

export interface SavepointsOptions {
  readonly job: SavepointJob;
  readonly jobId: string;
  readonly segmentDir: string;
  /** A folder for what is on its way. */
  readonly workDir: string;
  /** Where savepoints go that name no place. */
  readonly defaultTarget: string;
  readonly environment: Environment;
  readonly logger: Logger;
}

/** How long a job that ends with a savepoint stays to tell whoever asked for it where it is. */
const STOP_DELAY_MS = 2000;
/** So many ended operations are remembered. */
const ENDED_MAX = 100;

interface Running {
  readonly state: ArchivedState;
  readonly keeper: SegmentKeeper;
  newest: CheckpointManifest | null;
}

export class Savepoints implements SavepointControl {
  readonly #options: SavepointsOptions;
  readonly #operations = new Map<string, SavepointOperation>();
  #last: Promise<void> = Promise.resolve();
  /** Once the job is to end: told of each operation that somebody knows to be complete. */
  #stop: ((requestId: string) => void) | null = null;
  #running: Running | null = null;

  constructor(options: SavepointsOptions) {
    this.#options = options;
  }

  trigger(request: SavepointRequest): string {
    if (!this.#options.job.isRunning()) {
      throw new MillraceError('MILLRACE_NOT_READY', 'the job does not run, so no savepoint of it can be taken');
    }
    return this.#begin('savepoint', (requestId) => this.#take(request, requestId));
  }

  dispose(location: string): string {
    return this.#begin('disposal', async () => {
      // Only what is a savepoint is deleted, whatever path was given.
      const { folder } = await openSavepoint(location, this.#options.environment);
      await folder.deleteAll();
      return null;
    });
  }

  operation(requestId: string): SavepointOperation | undefined {
    const operation = this.#operations.get(requestId);
    if (operation?.status === 'COMPLETED') this.#stop?.(requestId);
    return operation;
  }

  async list(): Promise<readonly SavepointInfo[]> {
    const { defaultTarget, environment } = this.#options;
    const found = await listSavepoints(defaultTarget, environment);
    return found.map(({ location, id, manifest: { checkpointId, timestamp, jobName } }) => ({
      location,
      savepointId: id,
      checkpointId,
      timestamp,
      jobName,
    }));
  }

  /** A checkpoint is complete. To be awaited before the next one completes. */
  async onCommitted(manifest: CheckpointManifest): Promise<void> {
    const running = this.#running;
    if (running === null) return;
    running.newest = manifest;
    running.state.add(manifest);
    await running.keeper.keep(segmentsOf(manifest));
  }

  #begin(kind: SavepointOperation['kind'], run: (requestId: string) => Promise<string | null>): string {
    const requestId = randomUUID().replaceAll('-', '');
    this.#operations.set(requestId, { kind, status: 'IN_PROGRESS', location: null, failure: null });
    const end = (location: string | null, failure: Error | null): void => {
      this.#operations.set(requestId, { kind, status: 'COMPLETED', location, failure });
      if (failure !== null) this.#options.logger.warn({ requestId, err: failure }, `${kind} failed`);
      this.#forgetOldest();
    };
    this.#last = this.#last
      .then(() => run(requestId))
      .then(
        (location) => end(location, null),
        (error: unknown) => end(null, error as Error),
      );
    return requestId;
  }

  async #take({ targetDirectory, stopsJob }: SavepointRequest, requestId: string): Promise<string> {
    const { job, jobId, defaultTarget, environment, logger } = this.#options;
    const savepointId = `savepoint-${jobId.slice(0, 6)}-${randomUUID().slice(0, 12).replaceAll('-', '')}`;
    const parent = targetDirectory ?? defaultTarget;
    const location = parent.includes('://')
      ? `${parent.replace(/\/+$/, '')}/${savepointId}`
      : resolve(parent, savepointId);
    const folder = new ArchiveFolder(await openObjectStore(location, environment), '');
    try {
      const manifest = await this.#write(folder, savepointId, stopsJob);
      logger.info({ savepoint: location, checkpointId: manifest.checkpointId }, 'savepoint taken');
    } catch (error) {
      // What is incomplete is of no use. The failure is what is to be reported.
      await folder.deleteAll().catch(() => undefined);
      if (stopsJob) job.resumeReading();
      throw error;
    }
    if (stopsJob) this.#stopSoon(requestId);
    return location;
  }

  async #write(folder: ArchiveFolder, savepointId: string, stopsJob: boolean): Promise<CheckpointManifest> {
    const { job, segmentDir, workDir } = this.#options;
    const keeper = await SegmentKeeper.open(segmentDir, join(workDir, 'segments'));
    const running: Running = { state: new ArchivedState(), keeper, newest: null };
    this.#running = running;
    try {
      // The first one says which bases there are, and from it on segments are kept.
      await job.takeCheckpoint();
      const missing = running.state.missingBases();
      for (const shard of missing) {
        const base = await archiveBase(folder, job.copyBase, shard, join(workDir, 'base'));
        running.state.addBase(base, running.newest?.checkpointId ?? 0);
      }
      if (stopsJob) job.stopReading();
      if (missing.length > 0 || stopsJob) await job.takeCheckpoint();
      const described = running.newest === null ? null : running.state.describe(running.newest);
      if (described === null) throw new MillraceError('MILLRACE_CHECKPOINT_DECLINED', 'the savepoint lacks state');
      for (const { file } of segmentsOf(described)) await folder.putSegment(file, keeper.pathOf(file));
      const manifest = { ...described, savepointId, origin: null };
      await folder.sweep([manifest]);
      await folder.putManifest(SAVEPOINT_MANIFEST, manifest);
      job.markSavepoint(manifest.checkpointId);
      return manifest;
    } finally {
      this.#running = null;
      await keeper.close();
    }
  }

  #stopSoon(requestId: string): void {
    const timer = setTimeout(() => this.#options.job.stop(), STOP_DELAY_MS);
    this.#stop = (told) => {
      if (told !== requestId) return;
      clearTimeout(timer);
      this.#options.job.stop();
    };
  }

  #forgetOldest(): void {
    const ended = [...this.#operations].filter(([, { status }]) => status === 'COMPLETED');
    for (const [requestId] of ended.slice(0, Math.max(0, ended.length - ENDED_MAX))) this.#operations.delete(requestId);
  }
}

function segmentsOf({ snapshots }: CheckpointManifest): CheckpointManifest['snapshots'][number]['segments'] {
  return snapshots.flatMap(({ segments }) => segments);
}
