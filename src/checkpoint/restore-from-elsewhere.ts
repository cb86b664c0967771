import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { CheckpointId } from '../base/ids.js';
import type { Logger } from '../base/log.js';
import type { ArchiveFolder } from './archive-folder.js';
import type { CheckpointArchive } from './checkpoint-archive.js';
import type { CheckpointManifest } from './checkpoint-manifest.js';
import type { CheckpointStore } from './checkpoint-store.js';
import type { Environment } from './object-store.js';
import { openSavepoint } from './savepoint-folder.js';
import type { SnapshotHandle } from '../protocol/snapshot-handle.js';
import { listDirectory } from '../storage/disk.js';

/** No namespace's folder begins so: it is written %2B there. */
const STATE_FOLDER_MARK = '+';

/** Where a data folder keeps what a checkpoint consists of. */
export interface DataFolders {
  readonly segmentDir: string;
  readonly stateDir: string;
}

/**
 * Makes a checkpoint from elsewhere the one that this data folder goes on from.
 *
 * Segments come under names of their own, bases into a state folder of their own, and then a manifest is committed: until
 * that moment the folder goes on from where it was, whenever the process is killed; after it, from the new one.
 *
 * Thread: main, before workers run.
 */
async function bringIn(
  store: CheckpointStore,
  folders: DataFolders,
  source: { readonly folder: ArchiveFolder; readonly manifest: CheckpointManifest; readonly id: string },
): Promise<void> {
  const { folder, manifest, id } = source;
  const stateFolder = STATE_FOLDER_MARK + id;
  const stateDir = join(folders.stateDir, stateFolder);
  await rm(stateDir, { recursive: true, force: true });
  const snapshots: SnapshotHandle[] = [];
  for (const handle of manifest.snapshots) {
    snapshots.push(
      await folder.fetchShards(handle, { segmentDir: folders.segmentDir, stateDir, filePrefix: `${id}~` }),
    );
  }
  await store.commit({
    ...manifest,
    checkpointId: Math.max(manifest.checkpointId, store.nextCheckpointId) as CheckpointId,
    snapshots,
    // How far exactly-once output is visible is a matter of the topics here.
    outputs: store.latest?.outputs ?? {},
    origin: { id, stateFolder, isFresh: true },
    savepointId: null,
  });
  await store.dropOlder();
}

/**
 * Restores from a savepoint, unless this folder has been restored from it before: a process that is restarted with the same
 * command line goes on from its newest checkpoint.
 *
 * @returns whether it has restored
 * @throws MillraceError `MILLRACE_CONFIG_INVALID` when there is no savepoint at that place, `MILLRACE_STATE_CORRUPT` when it is
 *   damaged
 */
export async function restoreFromSavepoint(
  store: CheckpointStore,
  folders: DataFolders,
  options: { readonly location: string; readonly jobName: string; environment: Environment; readonly logger: Logger },
): Promise<boolean> {
  const { location, jobName, environment, logger } = options;
  const { folder, manifest, id } = await openSavepoint(location, environment);
  const { latest } = store;
  if (latest?.origin?.id === id) {
    logger.info(
      { savepoint: location, checkpointId: latest.checkpointId },
      'this data folder was restored from the savepoint before: going on from its newest checkpoint',
    );
    return false;
  }
  // The name of a job may change with its savepoint; its state is matched by uid.
  await bringIn(store, folders, { folder, manifest: { ...manifest, jobName }, id });
  logger.info({ savepoint: location, checkpointId: manifest.checkpointId }, 'restored from the savepoint');
  return true;
}

/** Restores the newest checkpoint of a job from a checkpoint store. @returns whether there was one */
export async function restoreFromArchive(
  store: CheckpointStore,
  folders: DataFolders,
  archive: CheckpointArchive,
  logger: Logger,
): Promise<boolean> {
  const newest = await archive.newest();
  if (newest === null) return false;
  const { writer, checkpointId, manifest } = newest;
  await bringIn(store, folders, {
    folder: archive.folderOf(writer),
    manifest,
    id: `${writer}-${String(checkpointId)}`,
  });
  logger.info(
    { store: archive.location, writer, checkpointId, takenAt: new Date(manifest.timestamp).toISOString() },
    'restored from the checkpoint store: this data folder had no checkpoint',
  );
  return true;
}

/** The folder in which the bases of the newest checkpoint lie. */
export function currentStateDir(stateDir: string, latest: CheckpointManifest | null): string {
  return latest?.origin === null || latest === null ? stateDir : join(stateDir, latest.origin.stateFolder);
}

/** Deletes bases that the newest checkpoint does not go on from: of before a restore, or of one that was cut short. */
export async function sweepStateFolders(stateDir: string, latest: CheckpointManifest | null): Promise<void> {
  const current = latest?.origin?.stateFolder ?? null;
  for (const name of await listDirectory(stateDir)) {
    const isStale = current === null ? name.startsWith(STATE_FOLDER_MARK) : name !== current;
    if (isStale) await rm(join(stateDir, name), { recursive: true, force: true });
  }
}
