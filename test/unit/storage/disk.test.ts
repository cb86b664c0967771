import { readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ConnectorError, MillraceError } from '../../../src/base/errors.js';
import {
  createDirectory,
  isStorageFull,
  listDirectory,
  removeFile,
  storageError,
  systemCode,
} from '../../../src/storage/disk.js';
import { withTemporaryDirectory } from '../../helpers/temporary-directory.js';
import { rejection } from '../../helpers/topic-client.js';

function systemError(code: string): Error {
  return Object.assign(new Error(code), { code });
}

describe('errors of the disk', () => {
  it.each([
    ['ENOSPC', 'MILLRACE_STORAGE_FULL', /Free space/],
    ['EDQUOT', 'MILLRACE_STORAGE_FULL', /quota/],
    ['EFBIG', 'MILLRACE_STORAGE_FULL', /ulimit -f/],
    ['EACCES', 'MILLRACE_DATA_DIR_UNUSABLE', /right to read and write/],
    ['EPERM', 'MILLRACE_DATA_DIR_UNUSABLE', /right to read and write/],
    ['EROFS', 'MILLRACE_DATA_DIR_UNUSABLE', /read-only/],
    ['ENOTDIR', 'MILLRACE_DATA_DIR_UNUSABLE', /is a file/],
    ['EIO', 'MILLRACE_STORAGE_FAILED', /kernel log/],
    ['EMFILE', 'MILLRACE_STORAGE_FAILED', /ulimit -n/],
  ])('maps %s to %s, naming the path and what to do', (code, expected, hint) => {
    const cause = systemError(code);
    const error = storageError(cause, 'append to the log', '/data/x');
    expect(error.code).toBe(expected);
    expect(error.message).toBe(`append to the log failed on '/data/x' (${code})`);
    expect(error.hint).toMatch(hint);
    expect(error.details).toEqual({ path: '/data/x', systemCode: code });
    expect(error.cause).toBe(cause);
    expect(isStorageFull(cause)).toBe(expected === 'MILLRACE_STORAGE_FULL');
  });

  it('leaves an error alone that has a code already', () => {
    const error = new ConnectorError('MILLRACE_LOG_CORRUPT', 'damaged');
    expect(storageError(error, 'read', '/x')).toBe(error);
  });

  it('reads the system code of anything that was thrown', () => {
    expect(systemCode(systemError('EIO'))).toBe('EIO');
    expect([null, 'EIO', new Error('x'), { code: 5 }].map((thrown) => systemCode(thrown))).toEqual(['', '', '', '']);
  });
});

describe('directories', () => {
  it('are created with those above them, and it may be asked for twice', async () => {
    await withTemporaryDirectory(async (directory) => {
      const path = join(directory, 'a', 'b', 'c');
      await createDirectory(path);
      await createDirectory(path);
      expect((await stat(path)).isDirectory()).toBe(true);
    });
  });

  it('are refused with a hint where a file is in the way', async () => {
    await withTemporaryDirectory(async (directory) => {
      await writeFile(join(directory, 'file'), '');
      const error = await rejection(createDirectory(join(directory, 'file', 'a')));
      expect(MillraceError.is(error, 'MILLRACE_DATA_DIR_UNUSABLE')).toBe(true);
    });
  });

  it('list their entries in order, none when missing; removing what is gone is no error', async () => {
    await withTemporaryDirectory(async (directory) => {
      for (const name of ['b', 'a', 'c']) await writeFile(join(directory, name), '');
      expect(await listDirectory(directory)).toEqual(['a', 'b', 'c']);
      expect(await listDirectory(join(directory, 'missing'))).toEqual([]);
      await removeFile(join(directory, 'b'));
      await removeFile(join(directory, 'b'));
      expect(await readdir(directory)).toEqual(['a', 'c']);
    });
  });
});
