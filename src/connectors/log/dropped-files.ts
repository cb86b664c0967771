import { dirname } from 'node:path';
import type { Logger } from '../../base/log.js';
import type { JournalDisk } from '../../storage/journal-file.js';

/**
 * Removes the files of dropped segments, in the background and strictly oldest first: a gap between segments would be taken
 * for damage at the next start. Main thread.
 */
export class DroppedFiles {
  readonly #disk: JournalDisk;
  readonly #logger: Logger;
  readonly #paths: string[] = [];
  #removing: Promise<void> = Promise.resolve();

  constructor(disk: JournalDisk, logger: Logger) {
    this.#disk = disk;
    this.#logger = logger;
  }

  add(path: string): void {
    this.#paths.push(path);
  }

  /** Never rejects: what cannot be removed now is tried again with the next call, or dropped again after the next start. */
  remove(): Promise<void> {
    this.#removing = this.#removing.then(() => this.#removeAll());
    return this.#removing;
  }

  async #removeAll(): Promise<void> {
    for (let path = this.#paths[0]; path !== undefined; path = this.#paths[0]) {
      try {
        await this.#disk.remove(path);
        await this.#disk.syncDirectory(dirname(path));
      } catch (error) {
        this.#logger.warn({ path, error }, 'log segment not removed');
        return;
      }
      this.#paths.shift();
    }
  }
}
