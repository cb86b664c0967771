/** What the code under simulation calls of `node:fs/promises`, over the present simulated disk; as in node-fs.ts. */
import { presentDisk } from './present-disk.js';

export async function open(path: string, flags: 'r' | 'w'): Promise<SimulatedFileHandle> {
  const isWriter = flags === 'w';
  return new SimulatedFileHandle(
    await presentDisk().open(path, { creates: isWriter, truncates: isWriter, isSynced: false }),
  );
}

export function mkdir(path: string): Promise<void> {
  return presentDisk().makeFolder(path);
}

export async function readdir(
  path: string,
  options?: { readonly withFileTypes: true },
): Promise<(string | { readonly name: string; isFile(): boolean })[]> {
  const entries = await presentDisk().list(path);
  if (options === undefined) return entries.map(({ name }) => name);
  return entries.map(({ name, isFile }) => ({ name, isFile: () => isFile }));
}

/** Always as with `force`. */
export function rm(path: string): Promise<void> {
  return presentDisk().remove(path);
}

export function rename(from: string, to: string): Promise<void> {
  return presentDisk().rename(from, to);
}

export async function stat(path: string): Promise<{ isDirectory(): boolean }> {
  const isFolder = await presentDisk().isFolder(path);
  return { isDirectory: () => isFolder };
}

class SimulatedFileHandle {
  readonly #file: number;

  constructor(file: number) {
    this.#file = file;
  }

  async read(
    target: Uint8Array,
    offset: number,
    length: number,
    position: number,
  ): Promise<{ readonly bytesRead: number }> {
    return { bytesRead: await presentDisk().read(this.#file, target.subarray(offset, offset + length), position) };
  }

  async write(
    source: Uint8Array,
    offset: number,
    length: number,
    position: number,
  ): Promise<{ readonly bytesWritten: number }> {
    // What the caller does with its memory meanwhile is not written.
    const bytes = Uint8Array.from(source.subarray(offset, offset + length));
    return { bytesWritten: await presentDisk().write(this.#file, bytes, position) };
  }

  async writeFile(bytes: Uint8Array): Promise<void> {
    await this.write(bytes, 0, bytes.length, 0);
  }

  sync(): Promise<void> {
    return presentDisk().sync(this.#file);
  }

  datasync(): Promise<void> {
    return presentDisk().sync(this.#file);
  }

  async stat(): Promise<{ readonly size: number }> {
    return { size: await presentDisk().sizeOf(this.#file) };
  }

  close(): Promise<void> {
    return presentDisk().close(this.#file);
  }
}

export type FileHandle = SimulatedFileHandle;
