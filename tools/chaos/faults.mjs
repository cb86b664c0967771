// What goes wrong, one at a time. Each resolves when it is over, and the service serves again.
import { spawnSync } from 'node:child_process';
import { closeSync, existsSync, openSync, rmSync, statfsSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';

const PAUSE_MS = 1_500;
const FULL_MS = 1_500;

const delay = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** A file system of its own for the data, so that it can be filled: only root may mount one. @returns whether there is one */
export function mountDisk(directory, mebibytes) {
  const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${String(mebibytes)}m`, 'tmpfs', directory]);
  return status === 0;
}

export function unmountDisk(directory) {
  spawnSync('umount', ['--lazy', directory]);
}

export const faults = {
  /** kill -9. */
  kill: ({ service }) => service.kill(),

  /** The process stands still, as in a virtual machine that is being moved. */
  async stop({ service }) {
    service.signal('SIGSTOP');
    await delay(PAUSE_MS);
    service.signal('SIGCONT');
    await service.ready();
  },

  /** One worker thread ends. The job has to look for the file, as bank-job.mjs does. */
  async worker({ service, workerDeathFile }) {
    writeFileSync(workerDeathFile, '');
    for (let waited = 0; existsSync(workerDeathFile) && waited < 5_000; waited += 20) await delay(20);
    rmSync(workerDeathFile, { force: true });
    await service.ready();
  },

  /** No byte is free for a while. */
  async disk({ service, diskDirectory }) {
    const path = join(diskDirectory, 'filler');
    const { bavail, bsize } = statfsSync(diskDirectory);
    const file = openSync(path, 'w');
    try {
      const block = Buffer.alloc(1 << 20);
      for (let left = bavail * bsize; left > 0; left -= block.length) writeSync(file, block);
    } catch (error) {
      if (error.code !== 'ENOSPC') throw error;
    } finally {
      closeSync(file);
    }
    await delay(FULL_MS);
    rmSync(path);
    await service.ready();
  },
};
