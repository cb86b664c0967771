/**
 * Completed checkpoints on disk, and what they need.
 *
 *     <checkpointDir>/manifest-<id>.ckpt     one per retained checkpoint (checkpoint-manifest.ts)
 *     <segmentDir>/…                         files of changed rows, written by the workers, named by the manifests
 *
 * A manifest is written aside, synced, renamed, and the folder synced: it is there whole or not at all, so its appearance is
 * the commit of the checkpoint. Nothing else says which checkpoint is the last.
 *
 * Thread: main, one store per folder (the data folder's lock sees to it); calls come one after another.
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { MillraceError } from '../base/errors.js';
import type { CheckpointId } from '../base/ids.js';
import { invariant } from '../base/invariant.js';
import type { Logger } from '../base/log.js';
import { segmentFilesOf } from '../protocol/snapshot-handle.js';
import { readAtomicFile, writeAtomicFile } from '../storage/atomic-file.js';
import { confirmNames, createDirectory, removeFile, storageError } from '../storage/disk.js';
import { type CheckpointManifest, decodeManifest, encodeManifest } from './checkpoint-manifest.js';

export interface CheckpointStoreOptions {
  readonly checkpointDir: string;
  readonly segmentDir: string;
  /** Completed checkpoints that are kept; at least 1. */
  readonly retainedCount: number;
  readonly logger: Logger;
}

const MANIFEST_NAME = /^manifest-([1-9]\d{0,15})\.ckpt$/;

/** The retained checkpoints of one job. */
export class CheckpointStore {
  readonly #options: CheckpointStoreOptions;
  /** Retained checkpoints, oldest first. */
  #retained: CheckpointManifest[];
  /** The newest id that was ever written here, damaged files included. */
  #newestId: number;
  /** Checkpoints since the last commit whose own has failed, as far as anybody could tell; ascending. */
  #doubtfulIds: number[] = [];
  /** Checkpoints whose manifest was found damaged at opening, ascending. Not empty means that work is repeated or lost. */
  readonly damagedIds: readonly number[];

  private constructor(
    options: CheckpointStoreOptions,
    retained: CheckpointManifest[],
    damagedIds: readonly number[],
    newestId: number,
  ) {
    this.#options = options;
    this.#retained = retained;
    this.damagedIds = damagedIds;
    this.#newestId = newestId;
  }

  /**
   * Opens the folders, creating them when they do not exist, and reads every manifest.
   *
   * A damaged manifest is named in an error log line and passed over: an older checkpoint then stands in for it. It stays
   * where it is, as evidence, until it would have been dropped anyway. Opening fails only when none can be read.
   *
   * @throws MillraceError `MILLRACE_STATE_CORRUPT` when every manifest is damaged, `MILLRACE_STATE_INCOMPATIBLE` when a
   *   newer release wrote one, or a storage error
   */
  static async open(options: CheckpointStoreOptions): Promise<CheckpointStore> {
    invariant(options.retainedCount >= 1, 'at least one checkpoint is kept');
    await createDirectory(options.checkpointDir);
    await createDirectory(options.segmentDir);
    // What follows from a manifest is about to be seen: it must not go with the machine's power.
    await confirmNames(options.checkpointDir);
    const ids = await manifestIds(options.checkpointDir);
    const damagedIds: number[] = [];
    const retained: CheckpointManifest[] = [];
    for (const id of ids) {
      const manifest = await readIfIntact(options, id);
      if (manifest === null) damagedIds.push(id);
      else retained.push(manifest);
    }
    if (ids.length > 0 && retained.length === 0) throw nothingReadable(options.checkpointDir, ids);
    return new CheckpointStore(options, retained, damagedIds, ids.at(-1) ?? 0);
  }

  /** The newest completed checkpoint that is intact; `null` when there never was one. */
  get latest(): CheckpointManifest | null {
    return this.#retained.at(-1) ?? null;
  }

  /** Oldest first. */
  get retained(): readonly CheckpointManifest[] {
    return this.#retained;
  }

  /** One more than every id that was ever used here. */
  get nextCheckpointId(): CheckpointId {
    return (this.#newestId + 1) as CheckpointId;
  }

  /**
   * Commits a checkpoint: when this resolves, it is the one that a restart goes on from. When it rejects, it may or may not
   * be: the next commit decides, or {@link settle}. Then drops checkpoints beyond the retained count; a failure of that is only
   * logged.
   *
   * @throws MillraceError a storage error
   */
  async commit(manifest: CheckpointManifest): Promise<void> {
    invariant(manifest.checkpointId > this.#newestId, 'checkpoint ids grow and are used once');
    this.#newestId = manifest.checkpointId;
    const path = manifestPath(this.#options.checkpointDir, manifest.checkpointId);
    this.#doubtfulIds.push(manifest.checkpointId);
    await writeAtomicFile(path, encodeManifest(manifest));
    this.#doubtfulIds = [];
    this.#retained.push(manifest);
    try {
      await this.#dropOldest();
    } catch (error) {
      this.#options.logger.warn({ error }, 'old checkpoints could not be deleted');
    }
  }

  /**
   * Decides about commits that have failed: a checkpoint counts when its manifest is there. To be awaited before anybody goes
   * on from {@link latest} in the same process: else output would be given up here that a later start finds committed.
   *
   * @returns the newest that counts after all; `null` when none does
   */
  async settle(): Promise<CheckpointManifest | null> {
    if (this.#doubtfulIds.length === 0) return null;
    await confirmNames(this.#options.checkpointDir);
    const found: CheckpointManifest[] = [];
    for (const id of this.#doubtfulIds) {
      const manifest = await readIfIntact(this.#options, id);
      if (manifest !== null) found.push(manifest);
    }
    this.#doubtfulIds = [];
    this.#retained.push(...found);
    return found.at(-1) ?? null;
  }

  /** Forgets every checkpoint but the newest: they are of a job that has been restored to another point. */
  async dropOlder(): Promise<void> {
    this.#retained = this.#retained.slice(-1);
    const newest = this.#retained[0]?.checkpointId ?? 0;
    await this.#removeManifests((id) => id < newest);
  }

  /** Forgets every checkpoint after this one, as if it had been the last: for whoever goes back in a copy of a data folder. */
  async dropNewer(checkpointId: number): Promise<void> {
    this.#retained = this.#retained.filter((manifest) => manifest.checkpointId <= checkpointId);
    await this.#removeManifests((id) => id > checkpointId);
  }

  /**
   * Deletes segment files that no retained checkpoint needs: what a crash left behind. Only before workers run, since a file
   * that is being written is in no manifest yet. Deletes nothing while a damaged manifest may name some of them.
   *
   * @returns how many files were deleted
   */
  async sweepSegments(): Promise<number> {
    if (this.damagedIds.length > 0) return 0;
    const needed = neededSegments(this.#retained);
    const files = await fileNames(this.#options.segmentDir);
    const leftOver = files.filter((file) => !needed.has(file));
    await this.#deleteSegments(leftOver);
    return leftOver.length;
  }

  async #dropOldest(): Promise<void> {
    const { retainedCount } = this.#options;
    const dropped = this.#retained.slice(0, Math.max(0, this.#retained.length - retainedCount));
    if (dropped.length === 0) return;
    this.#retained = this.#retained.slice(dropped.length);

    // Every manifest below the oldest retained one, so that damaged ones, and those of failed commits, go as well.
    const oldest = this.#retained[0]?.checkpointId ?? 0;
    await this.#removeManifests((id) => id < oldest);
    // Now no manifest needs the segments, durably, and they go: a manifest without its segments would be a lie.
    const needed = neededSegments(this.#retained);
    await this.#deleteSegments([...neededSegments(dropped)].filter((file) => !needed.has(file)));
  }

  /** Those of damaged ones, and of failed commits, as well. Durable when it resolves. */
  async #removeManifests(isRemoved: (id: number) => boolean): Promise<void> {
    const { checkpointDir } = this.#options;
    for (const id of await manifestIds(checkpointDir)) {
      if (isRemoved(id)) await removeFile(manifestPath(checkpointDir, id));
    }
    await confirmNames(checkpointDir);
  }

  async #deleteSegments(files: readonly string[]): Promise<void> {
    await Promise.all(files.map((file) => removeFile(join(this.#options.segmentDir, file))));
  }
}

function neededSegments(manifests: readonly CheckpointManifest[]): Set<string> {
  return segmentFilesOf(manifests.flatMap(({ snapshots }) => snapshots));
}

function manifestPath(dir: string, checkpointId: number): string {
  return join(dir, `manifest-${checkpointId}.ckpt`);
}

async function fileNames(dir: string): Promise<string[]> {
  try {
    const entries = await readdir(dir, { withFileTypes: true });
    return entries.filter((entry) => entry.isFile()).map(({ name }) => name);
  } catch (error) {
    throw storageError(error, 'list the folder', dir);
  }
}

/** Ids of all manifests in the folder, ascending. Files that a crash left half-written have another name. */
async function manifestIds(dir: string): Promise<number[]> {
  const names = await fileNames(dir);
  return names
    .flatMap((name) => MANIFEST_NAME.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => a - b);
}

/** The manifest, or `null` when it is damaged, which is reported. */
async function readIfIntact(options: CheckpointStoreOptions, id: number): Promise<CheckpointManifest | null> {
  const path = manifestPath(options.checkpointDir, id);
  try {
    const bytes = await readAtomicFile(path, 'MILLRACE_STATE_CORRUPT');
    if (bytes === null) return null;
    const manifest = decodeManifest(bytes, path);
    if (manifest.checkpointId !== id) throw misnamed(path, manifest.checkpointId);
    return manifest;
  } catch (error) {
    if (!MillraceError.is(error, 'MILLRACE_STATE_CORRUPT')) throw error;
    options.logger.error({ error, path, checkpointId: id }, 'a checkpoint manifest is damaged and passed over');
    return null;
  }
}

function misnamed(path: string, checkpointId: CheckpointId): MillraceError {
  return new MillraceError('MILLRACE_STATE_CORRUPT', `the manifest '${path}' is that of checkpoint ${checkpointId}`, {
    details: { path, checkpointId },
  });
}

function nothingReadable(dir: string, ids: readonly number[]): MillraceError {
  return new MillraceError('MILLRACE_STATE_CORRUPT', `none of the ${ids.length} checkpoints in '${dir}' can be read`, {
    details: { dir, checkpointIds: ids },
    hint: 'Restore the data folder from a backup. To start without state and read the topics again, move the folder aside.',
  });
}
