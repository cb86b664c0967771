import { open } from 'node:fs/promises';
import { storageError, systemCode } from './disk.js';
import { readFully } from './tail-check.js';

/** The size of a file and its first bytes. */
export interface FileProbe {
  readonly sizeBytes: number;
  /** At most as many bytes as were asked for. */
  readonly start: Buffer;
}

/**
 * Looks at a file that another library is going to open, for a caller that must not hand it a file that it would crash on.
 *
 * @returns `null` when there is no such file
 */
export async function probeFile(path: string, startBytes: number): Promise<FileProbe | null> {
  try {
    const file = await open(path, 'r');
    try {
      const { size } = await file.stat();
      const start = Buffer.alloc(Math.min(startBytes, size));
      await readFully(file, start, start.length, 0);
      return { sizeBytes: size, start };
    } finally {
      await file.close();
    }
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return null;
    throw storageError(error, 'look at the file', path);
  }
}
