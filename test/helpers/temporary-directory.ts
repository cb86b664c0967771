import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Linux's file system in memory: for tests that sync thousands of times and lose power only in play. */
const memoryDirectory = '/dev/shm';

/** Makes an empty directory and hands it to `use`; removes it afterwards, whatever happened. */
export async function withTemporaryDirectory<T>(use: (path: string) => Promise<T>): Promise<T> {
  const path = await mkdtemp(join(tmpdir(), 'millrace-'));
  try {
    return await use(path);
  } finally {
    await rm(path, { recursive: true, force: true });
  }
}

/** Like {@link withTemporaryDirectory}, in memory where the system has such a file system. */
export async function withMemoryDirectory<T>(use: (path: string) => Promise<T>): Promise<T> {
  const parent = existsSync(memoryDirectory) ? memoryDirectory : tmpdir();
  const path = await mkdtemp(join(parent, 'millrace-'));
  try {
    return await use(path);
  } finally {
    await rm(path, { recursive: true, force: true });
  }
}
