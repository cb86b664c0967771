import { join } from 'node:path';
import { MillraceError } from '../base/errors.js';
import { listDirectory } from '../storage/disk.js';
import { ArchiveFolder } from './archive-folder.js';
import type { CheckpointManifest } from './checkpoint-manifest.js';
import type { Environment } from './object-store.js';
import { openObjectStore } from './open-object-store.js';

/** The manifest of a savepoint, within its folder; Flink's name. */
export const SAVEPOINT_MANIFEST = '_metadata';

/** A savepoint: a checkpoint in a folder of its own. */
export interface Savepoint {
  readonly folder: ArchiveFolder;
  readonly manifest: CheckpointManifest;
  readonly id: string;
}

/** @throws MillraceError `MILLRACE_CONFIG_INVALID` when there is none at that place, `MILLRACE_STATE_CORRUPT` when it is damaged */
export async function openSavepoint(location: string, environment: Environment): Promise<Savepoint> {
  const folder = new ArchiveFolder(await openObjectStore(location, environment), '');
  const manifest = await folder.getManifest(SAVEPOINT_MANIFEST);
  if (manifest?.savepointId === undefined || manifest.savepointId === null) {
    throw new MillraceError('MILLRACE_CONFIG_INVALID', `there is no savepoint at '${location}'`, {
      details: { location },
      hint: `Give the folder that the savepoint was reported with: it holds a file ${SAVEPOINT_MANIFEST}.`,
    });
  }
  return { folder, manifest, id: manifest.savepointId };
}

/**
 * The savepoints in a folder, oldest first. What is being written is none yet, and neither is what is damaged: that is told
 * when somebody restores from it.
 */
export async function listSavepoints(
  parent: string,
  environment: Environment,
): Promise<readonly (Savepoint & { readonly location: string })[]> {
  const found: (Savepoint & { readonly location: string })[] = [];
  for (const name of await listDirectory(parent)) {
    const location = join(parent, name);
    try {
      found.push({ ...(await openSavepoint(location, environment)), location });
    } catch (error) {
      if (!MillraceError.is(error)) throw error;
    }
  }
  return found.sort((a, b) => a.manifest.timestamp - b.manifest.timestamp);
}
