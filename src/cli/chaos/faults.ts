/** What goes wrong, one at a time. */
import { spawnSync } from 'node:child_process';
import { closeSync, openSync, rmSync, statfsSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Prng } from '../../base/prng.js';
import type { ServiceProcess } from './service-process.js';

const PAUSE_MS = 1_500;
const FULL_MS = 1_500;
/** As a clock does that was set to another zone, that finds its time server, and that is set right again. */
const CLOCK_SKEWS_MS = [3_600_000, -3_600_000, 90_000, -90_000, 0];
const SKEWED_MS = 1_000;
const FILLER_BLOCK_BYTES = 1 << 20;

export interface FaultContext {
  readonly service: ServiceProcess;
  /** The file system of the data, when it is one that may be filled. */
  readonly diskDirectory: string;
  /** Says by how much the service's clock is wrong: skewed-clock.ts, in the service, reads it. */
  readonly clockFile: string;
  readonly prng: Prng;
}

/** Each resolves when it is over, and the service serves again. In the order of `--faults`, the most usual first. */
export const faults: Readonly<Record<string, (context: FaultContext) => Promise<void>>> = {
  /** kill -9. */
  kill: ({ service }) => service.kill(),

  /** The process stands still, as in a virtual machine that is being moved. */
  async stop({ service }) {
    service.signal('SIGSTOP');
    await delay(PAUSE_MS);
    service.signal('SIGCONT');
    await service.ready();
  },

  /** One worker thread ends: worker-death.ts, in the service, sees to it. */
  async worker({ service }) {
    service.signal('SIGUSR2');
    await service.ready();
  },

  /** The clock is set forward or back, and stays so until it is set again, also when the process is started anew. */
  async clock({ service, clockFile, prng }) {
    writeFileSync(clockFile, String(CLOCK_SKEWS_MS[prng.below(CLOCK_SKEWS_MS.length)]));
    await delay(SKEWED_MS);
    await service.ready();
  },

  /** No byte is free for a while. */
  async disk({ service, diskDirectory }) {
    const path = join(diskDirectory, 'filler');
    fill(path, diskDirectory);
    await delay(FULL_MS);
    rmSync(path);
    await service.ready();
  },
};

function fill(path: string, directory: string): void {
  const { bavail, bsize } = statfsSync(directory);
  const file = openSync(path, 'w');
  try {
    const block = Buffer.alloc(FILLER_BLOCK_BYTES);
    for (let left = bavail * bsize; left > 0; left -= block.length) writeSync(file, block);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  } finally {
    closeSync(file);
  }
}

/** A file system of its own for the data, so that it can be filled: only root may mount one. @returns whether there is one */
export function mountDisk(directory: string, mebibytes: number): boolean {
  const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${String(mebibytes)}m`, 'tmpfs', directory]);
  return status === 0;
}

export function unmountDisk(directory: string): void {
  spawnSync('umount', ['--lazy', directory]);
}
