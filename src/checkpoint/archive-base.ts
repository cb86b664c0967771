import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { ArchivedBase, ArchiveFolder } from './archive-folder.js';
import type { BaseCopyRequest } from '../protocol/control-message.js';

/** Has a worker copy a base into a folder. @returns the checkpoint that the copy holds at least; 0 when there is no base */
export type BaseCopier = (request: BaseCopyRequest) => Promise<number>;

/**
 * Copies the base of a shard into an archive, through a folder of its own on the local disk.
 *
 * Thread: main; the copying itself is a worker's.
 */
export async function archiveBase(
  folder: ArchiveFolder,
  copy: BaseCopier,
  shard: Omit<ArchivedBase, 'checkpointId'>,
  workFolder: string,
): Promise<ArchivedBase> {
  await rm(workFolder, { recursive: true, force: true });
  try {
    const checkpointId = await copy({ namespace: shard.namespace, shard: shard.shard, folder: workFolder });
    const base = { ...shard, checkpointId };
    if (checkpointId > 0) await folder.putBase(base, join(workFolder, 'data.mdb'));
    return base;
  } finally {
    await rm(workFolder, { recursive: true, force: true });
  }
}
