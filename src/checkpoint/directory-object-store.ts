import { randomUUID } from 'node:crypto';
import { open, readdir, readFile, rename, rm, rmdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { invariant } from '../base/invariant.js';
import { createDirectory, storageError, syncDirectory, systemCode } from '../storage/disk.js';
import type { ObjectStore } from './object-store.js';

const ASIDE = '.tmp';

/**
 * Objects as files of a folder, which may be a network share: each is written aside, synced and renamed.
 *
 * Writers on several machines may share the folder as long as they write different keys.
 */
export class DirectoryObjectStore implements ObjectStore {
  readonly location: string;

  constructor(path: string) {
    this.location = path;
  }

  async put(key: string, bytes: Uint8Array): Promise<void> {
    const path = this.#pathOf(key);
    // Two writers of one key, one of them believed dead, must not write into the same file.
    const aside = `${path}.${randomUUID()}${ASIDE}`;
    try {
      await createDirectory(dirname(path));
      const file = await open(aside, 'w');
      try {
        await file.writeFile(bytes);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(aside, path);
      await syncDirectory(dirname(path));
    } catch (error) {
      await rm(aside, { force: true }).catch(() => undefined); // the first error is the one to report
      throw storageError(error, 'write the object', path);
    }
  }

  async get(key: string): Promise<Buffer | null> {
    const path = this.#pathOf(key);
    try {
      return await readFile(path);
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return null;
      throw storageError(error, 'read the object', path);
    }
  }

  async list(prefix: string): Promise<string[]> {
    const path = this.#pathOf(prefix);
    try {
      const entries = await readdir(path, { recursive: true, withFileTypes: true });
      const files = entries.filter((entry) => entry.isFile() && !entry.name.endsWith(ASIDE));
      return files.map((entry) => join(entry.parentPath, entry.name).slice(this.location.length + 1)).sort();
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return [];
      throw storageError(error, 'list the objects', path);
    }
  }

  async delete(key: string): Promise<void> {
    const path = this.#pathOf(key);
    try {
      await rm(path, { force: true });
      // Objects of one file have a folder to themselves: nobody writes to one whose objects are being deleted.
      await removeIfEmpty(dirname(path));
    } catch (error) {
      throw storageError(error, 'delete the object', path);
    }
  }

  async removeEmpty(): Promise<void> {
    try {
      const entries = await readdir(this.location, { recursive: true, withFileTypes: true });
      const folders = entries
        .filter((entry) => entry.isDirectory())
        .map(({ parentPath, name }) => join(parentPath, name));
      // The deepest first.
      for (const folder of [this.location, ...folders].toSorted((a, b) => b.length - a.length)) {
        await removeIfEmpty(folder);
      }
    } catch (error) {
      if (systemCode(error) !== 'ENOENT') throw storageError(error, 'remove the empty folder', this.location);
    }
  }

  #pathOf(key: string): string {
    invariant(!key.split('/').includes('..'), 'a key stays within its store');
    return join(this.location, key);
  }
}

async function removeIfEmpty(folder: string): Promise<void> {
  await rmdir(folder).catch((error: unknown) => {
    if (!['ENOTEMPTY', 'EEXIST', 'ENOENT'].includes(systemCode(error))) throw error;
  });
}
