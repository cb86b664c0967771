import { join } from 'node:path';
import type { Logger } from '../base/log.js';
import { CheckpointArchive } from '../checkpoint/checkpoint-archive.js';
import { CheckpointStore } from '../checkpoint/checkpoint-store.js';
import type { Environment } from '../checkpoint/object-store.js';
import { openObjectStore } from '../checkpoint/open-object-store.js';
import {
  currentStateDir,
  restoreFromArchive,
  restoreFromSavepoint,
  sweepStateFolders,
} from '../checkpoint/restore-from-elsewhere.js';

export interface JobFoldersOptions {
  readonly dataDir: string;
  readonly jobName: string;
  readonly checkpointsRetained: number;
  /** Where a savepoint lies to start from; `null` to go on from the newest checkpoint. */
  readonly fromSavepoint: string | null;
  /** Where checkpoints are copied to; `null` for nowhere. */
  readonly checkpointStore: string | null;
  readonly environment: Environment;
  readonly logger: Logger;
}

/** Where a job keeps its state, ready to be gone on from. */
export interface JobFolders {
  readonly checkpointDir: string;
  readonly segmentDir: string;
  /** Of the bases of the newest checkpoint. */
  readonly stateDir: string;
  readonly store: CheckpointStore;
  readonly archive: CheckpointArchive | null;
}

/**
 * Opens the folders of a job's state, and brings into them what the job is to go on from: a savepoint, or, into a folder
 * without checkpoints, the newest one of the checkpoint store.
 *
 * Thread: main, before workers run.
 */
export async function openJobFolders(options: JobFoldersOptions): Promise<JobFolders> {
  const { dataDir, jobName, checkpointsRetained, fromSavepoint, checkpointStore, environment, logger } = options;
  const checkpointDir = join(dataDir, 'checkpoints');
  const segmentDir = join(checkpointDir, 'segments');
  const stateRoot = join(dataDir, 'state');
  const folders = { segmentDir, stateDir: stateRoot };
  const store = await CheckpointStore.open({ checkpointDir, segmentDir, retainedCount: checkpointsRetained, logger });
  const archive =
    checkpointStore === null
      ? null
      : new CheckpointArchive(await openObjectStore(checkpointStore, environment), jobName);
  if (fromSavepoint !== null) {
    await restoreFromSavepoint(store, folders, { location: fromSavepoint, jobName, environment, logger });
  } else if (archive !== null && store.latest === null) await restoreFromArchive(store, folders, archive, logger);
  await store.sweepSegments();
  await sweepStateFolders(stateRoot, store.latest);
  return { checkpointDir, segmentDir, stateDir: currentStateDir(stateRoot, store.latest), store, archive };
}
