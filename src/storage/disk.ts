import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { ConnectorError, MillraceError, type ErrorCode } from '../base/errors.js';

/**
 * What went wrong with a disk, said in Millrace's own codes, and the few file-system steps that every writer of durable
 * files needs. Any thread.
 */

/** `EFBIG` is the file-size limit of the process (`ulimit -f`): like a full disk, the next append may fit again. */
const fullCodes: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);
const unusableCodes: ReadonlySet<string> = new Set(['EACCES', 'EPERM', 'EROFS', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG']);

const unsyncableCodes: ReadonlySet<string> = new Set(['EINVAL', 'ENOTSUP', 'EOPNOTSUPP']);

/** The operating system's name of an error (`ENOSPC`), or the empty string. */
export function systemCode(error: unknown): string {
  if (typeof error !== 'object' || error === null || !('code' in error)) return '';
  return typeof error.code === 'string' ? error.code : '';
}

/** Whether an error says that there is no room: the write had no effect that an `ftruncate` does not undo. */
export function isStorageFull(error: unknown): boolean {
  return fullCodes.has(systemCode(error));
}

/**
 * Turns an error of the file system into one with a code: full disk, unusable folder, or a failed disk.
 *
 * @param action a verb phrase: what was attempted, as in `append to the log`
 */
export function storageError(error: unknown, action: string, path: string): MillraceError {
  if (MillraceError.is(error)) return error;
  const cause = systemCode(error);
  const code = codeOf(cause);
  return new ConnectorError(code, `${action} failed on '${path}'${cause === '' ? '' : ` (${cause})`}`, {
    details: { path, systemCode: cause },
    hint: hintOf(code, cause),
    cause: error,
  });
}

function codeOf(cause: string): ErrorCode {
  if (fullCodes.has(cause)) return 'MILLRACE_STORAGE_FULL';
  if (unusableCodes.has(cause)) return 'MILLRACE_DATA_DIR_UNUSABLE';
  return 'MILLRACE_STORAGE_FAILED';
}

function hintOf(code: ErrorCode, cause: string): string {
  if (cause === 'EFBIG') return 'Raise the file-size limit of the process (ulimit -f); appends then succeed again.';
  if (cause === 'EDQUOT') return 'Free space within the disk quota or raise it; appends then succeed again.';
  if (code === 'MILLRACE_STORAGE_FULL') {
    return 'Free space on this file system, or lower the retention of topics; appends then succeed again.';
  }
  if (cause === 'EROFS') return 'The file system is mounted read-only: remount it, or choose another data folder.';
  if (cause === 'ENOTDIR') return 'A part of this path is a file: choose another data folder.';
  if (code === 'MILLRACE_DATA_DIR_UNUSABLE') {
    return 'Give the user that runs this process the right to read and write this path, or choose another data folder.';
  }
  if (cause === 'EMFILE' || cause === 'ENFILE') return 'Raise the limit of open files (ulimit -n).';
  return "Look at the machine's disk and kernel log; nothing that was acknowledged has been given up.";
}

/**
 * Makes the entries of a directory durable: files created, renamed or deleted in it. Windows has no such call and needs
 * none.
 */
export async function syncDirectory(path: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Makes durable which entries a directory has: whoever made them may have been killed before that. */
export async function confirmNames(path: string): Promise<void> {
  try {
    await syncDirectory(path);
  } catch (error) {
    throw storageError(error, 'make the names in the folder durable', path);
  }
}

/** Creates a directory and those above it that are missing, durably: also those that a process made which died before it said so. */
export async function createDirectory(path: string): Promise<void> {
  try {
    await makeDirectory(resolve(path));
  } catch (error) {
    throw storageError(error, 'create the folder', path);
  }
}

/**
 * Not Node's recursive `mkdir`, which never returns where a file system answers ENOENT although the parent exists, as
 * /proc does: here each missing level is tried once after its parent.
 *
 * A level is made only when the one above it is durable. So of those that are there, whoever made them, only the last may not be.
 */
async function makeDirectory(path: string): Promise<void> {
  const parent = dirname(path);
  if (!(await isThere(parent))) await makeDirectory(parent);
  await syncIfPossible(dirname(parent));
  try {
    await mkdir(path);
  } catch (error) {
    if (systemCode(error) !== 'EEXIST' || !(await stat(path)).isDirectory()) throw error;
  }
  await syncIfPossible(parent);
}

/** A folder that is not ours to read, or of a file system that does not sync folders, was there before us. */
async function syncIfPossible(path: string): Promise<void> {
  try {
    await syncDirectory(path);
  } catch (error) {
    const code = systemCode(error);
    if (!unusableCodes.has(code) && !unsyncableCodes.has(code)) throw error;
  }
}

async function isThere(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return false;
    throw error;
  }
}

/** Names of the entries of a directory, sorted; none when there is no such directory. */
export async function listDirectory(path: string): Promise<readonly string[]> {
  try {
    return (await readdir(path)).sort();
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return [];
    throw storageError(error, 'list the folder', path);
  }
}

/** Puts a file, already durable, in the place of another one in the same directory, durably. */
export async function replaceFile(aside: string, path: string): Promise<void> {
  try {
    await rename(aside, path);
    await syncDirectory(dirname(path));
  } catch (error) {
    throw storageError(error, 'replace the file', path);
  }
}

/** Removes a file, if it is there. */
export async function removeFile(path: string): Promise<void> {
  try {
    await rm(path, { force: true });
  } catch (error) {
    throw storageError(error, 'remove the file', path);
  }
}
