import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, readdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { MillraceError } from '../../../src/base/errors.js';
import { DirectoryLock } from '../../../src/storage/directory-lock.js';
import { withTemporaryDirectory } from '../../helpers/temporary-directory.js';
import { rejection } from '../../helpers/topic-client.js';

const fixture = fileURLToPath(new URL('../../fixtures/storage/hold-lock.mjs', import.meta.url));
const children: ChildProcess[] = [];

interface Holder {
  readonly child: ChildProcess;
  /** `held`, or the code of the error. */
  readonly said: string;
}

async function start(dataDir: string, mode = 'idle'): Promise<Holder> {
  const child = spawn(process.execPath, [fixture, dataDir, mode], { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  for await (const said of createInterface({ input: child.stdout })) return { child, said };
  throw new Error('the process ended without a word');
}

async function kill(child: ChildProcess): Promise<void> {
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
}

afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

describe('directory lock', () => {
  it('refuses a second process, naming the first, and also a busy one that answers nothing', async () => {
    await withTemporaryDirectory(async (dataDir) => {
      for (const mode of ['idle', 'busy']) {
        const { child, said } = await start(dataDir, mode);
        expect(said).toBe('held');
        const error = await rejection(DirectoryLock.acquire(dataDir));
        if (!MillraceError.is(error, 'MILLRACE_DATA_DIR_LOCKED'))
          throw new Error('refused otherwise', { cause: error });
        expect(error.details).toEqual({ path: dataDir, pid: child.pid });
        expect(error.message).toContain(`process ${child.pid}`);
        await kill(child);
      }
    });
  });

  it('is free again at once after kill -9, and leaves nothing behind', async () => {
    await withTemporaryDirectory(async (dataDir) => {
      for (let round = 0; round < 8; round++) {
        const { child, said } = await start(dataDir);
        expect(said).toBe('held');
        await kill(child);
      }
      const lock = await DirectoryLock.acquire(dataDir);
      expect(await readdir(join(dataDir, 'lock'))).toHaveLength(1);
      await lock.release();
      await lock.release();
      expect(await readdir(join(dataDir, 'lock'))).toEqual([]);
    });
  });

  it('trusts no process id: a dead lock whose id now is that of a living process is no lock', async () => {
    await withTemporaryDirectory(async (dataDir) => {
      await mkdir(join(dataDir, 'lock'));
      await writeFile(join(dataDir, 'lock', `${process.ppid}-0123456789ab.sock`), '');
      const lock = await DirectoryLock.acquire(dataDir);
      expect(await readdir(join(dataDir, 'lock'))).toHaveLength(1);
      await lock.release();
    });
  });

  it('is held by exactly one, or for a moment by none, of many that start at the same time', async () => {
    await withTemporaryDirectory(async (dataDir) => {
      let holderCount = 0;
      for (let round = 0; round < 3; round++) {
        const started = await Promise.all(Array.from({ length: 6 }, () => start(dataDir)));
        const holders = started.filter(({ said }) => said === 'held');
        expect(holders.length).toBeLessThanOrEqual(1);
        holderCount += holders.length;
        for (const { said } of started) expect(['held', 'MILLRACE_DATA_DIR_LOCKED']).toContain(said);
        for (const { child } of holders) await kill(child);
      }
      expect(holderCount).toBeGreaterThan(0);
    });
  });

  it('keeps out the second of two parts of one process', async () => {
    await withTemporaryDirectory(async (dataDir) => {
      const lock = await DirectoryLock.acquire(dataDir);
      const error = await rejection(DirectoryLock.acquire(dataDir));
      expect(MillraceError.is(error, 'MILLRACE_DATA_DIR_LOCKED')).toBe(true);
      await lock.release();
      await (await DirectoryLock.acquire(dataDir)).release();
    });
  });

  it('works in a folder whose path is far too long for the address of a socket', async () => {
    await withTemporaryDirectory(async (parent) => {
      const dataDir = join(parent, 'd'.repeat(200));
      const { child, said } = await start(dataDir);
      expect(said).toBe('held');
      expect(MillraceError.is(await rejection(DirectoryLock.acquire(dataDir)), 'MILLRACE_DATA_DIR_LOCKED')).toBe(true);
      await kill(child);
      await (await DirectoryLock.acquire(dataDir)).release();
    });
  });

  it('is not kept by a listener that is no lock', async () => {
    await withTemporaryDirectory(async (dataDir) => {
      const server = createServer().listen(join(dataDir, 'other.sock'));
      await once(server, 'listening');
      await (await DirectoryLock.acquire(dataDir)).release();
      server.close();
    });
  });

  it('says that a folder cannot be used when it cannot be created or written', async () => {
    await withTemporaryDirectory(async (parent) => {
      const file = join(parent, 'file');
      await writeFile(file, '');
      const error = await rejection(DirectoryLock.acquire(join(file, 'data')));
      if (!MillraceError.is(error, 'MILLRACE_DATA_DIR_UNUSABLE'))
        throw new Error('refused otherwise', { cause: error });
      expect(error.hint).toMatch(/choose another data folder/);
      if (process.getuid?.() === 0) return; // root may write anywhere
      await chmod(parent, 0o500);
      expect(
        MillraceError.is(await rejection(DirectoryLock.acquire(join(parent, 'data'))), 'MILLRACE_DATA_DIR_UNUSABLE'),
      ).toBe(true);
      await chmod(parent, 0o700);
    });
  });
});
