import { constants } from 'node:fs';
import { cp, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { MillraceError } from '../base/errors.js';
import { DirectoryLock } from '../storage/directory-lock.js';

/** What a data folder holds that a replay needs. */
const PARTS = { log: 'log', checkpoints: 'checkpoints', state: 'state' } as const;

/**
 * Copies a data folder, so that a replay may open it as a job does and the original stays as it is. A file system that can shares the
 * blocks of both.
 *
 * The folder of a running process can be copied as far as its topics go: they only ever grow. Its state changes under the reader's hands.
 *
 * @param isStateNeeded whether the replay begins with the folder's own state
 * @throws MillraceError `MILLRACE_DATA_DIR_LOCKED` when it does, and a process uses the folder; `MILLRACE_DATA_DIR_UNUSABLE` when it holds
 * no topics
 */
export async function copyDataFolder(dataDir: string, copyDir: string, isStateNeeded: boolean): Promise<void> {
  await requireTopics(dataDir);
  const lock = isStateNeeded ? await lockForCopy(dataDir) : null;
  try {
    for (const part of isStateNeeded ? Object.values(PARTS) : [PARTS.log]) {
      await copyFolder(join(dataDir, part), join(copyDir, part));
    }
  } finally {
    await lock?.release();
  }
}

async function lockForCopy(dataDir: string): Promise<DirectoryLock> {
  try {
    return await DirectoryLock.acquire(dataDir);
  } catch (cause) {
    if (!MillraceError.is(cause, 'MILLRACE_DATA_DIR_LOCKED')) throw cause;
    throw new MillraceError(
      'MILLRACE_DATA_DIR_LOCKED',
      `a process uses the data folder "${dataDir}", whose state cannot be copied meanwhile`,
      {
        details: { dataDir },
        hint: 'End the process, name a backup of the folder, or begin with a savepoint: --from-savepoint.',
        cause,
      },
    );
  }
}

async function requireTopics(dataDir: string): Promise<void> {
  if (await isFolder(join(dataDir, PARTS.log))) return;
  throw new MillraceError('MILLRACE_DATA_DIR_UNUSABLE', `"${dataDir}" is no data folder of a job: it has no topics`, {
    details: { dataDir },
    hint: 'Name the folder that the job was given with --data-dir. What a job on Kafka has processed cannot be replayed.',
  });
}

async function copyFolder(from: string, to: string): Promise<void> {
  if (!(await isFolder(from))) return;
  await cp(from, to, { recursive: true, mode: constants.COPYFILE_FICLONE, filter: (path) => !path.endsWith('.sock') });
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch {
    return false;
  }
}
