import { constants } from 'node:fs';
import { copyFile, link, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { SegmentHandle } from '../protocol/snapshot-handle.js';
import { createDirectory, storageError, systemCode } from '../storage/disk.js';

/**
 * Segments that are still needed here after the checkpoints that name them are gone: until they have been copied elsewhere.
 *
 * Each gets a second name in a folder of the keeper's own, so that whoever deletes old checkpoints need not ask. Thread: main.
 */
export class SegmentKeeper {
  readonly #segmentDir: string;
  readonly #folder: string;
  readonly #kept = new Map<string, SegmentHandle>();

  private constructor(segmentDir: string, folder: string) {
    this.#segmentDir = segmentDir;
    this.#folder = folder;
  }

  /** Makes the folder anew: what an earlier process kept in it is gone. */
  static async open(segmentDir: string, folder: string): Promise<SegmentKeeper> {
    await rm(folder, { recursive: true, force: true });
    await createDirectory(folder);
    return new SegmentKeeper(segmentDir, folder);
  }

  get bytes(): number {
    let bytes = 0;
    for (const segment of this.#kept.values()) bytes += segment.bytes;
    return bytes;
  }

  get files(): readonly string[] {
    return [...this.#kept.keys()];
  }

  pathOf(file: string): string {
    return join(this.#folder, file);
  }

  /** To be called, and awaited, before the next checkpoint completes: until then the files are there. */
  async keep(segments: Iterable<SegmentHandle>): Promise<void> {
    for (const segment of segments) {
      if (this.#kept.has(segment.file)) continue;
      this.#kept.set(segment.file, segment);
      await this.#nameAgain(segment.file);
    }
  }

  async releaseUpTo(checkpointId: number): Promise<void> {
    await this.release(
      [...this.#kept.values()].filter((one) => one.checkpointId <= checkpointId).map(({ file }) => file),
    );
  }

  async release(files: Iterable<string>): Promise<void> {
    for (const file of files) {
      this.#kept.delete(file);
      await rm(this.pathOf(file), { force: true });
    }
  }

  async close(): Promise<void> {
    this.#kept.clear();
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #nameAgain(file: string): Promise<void> {
    const from = join(this.#segmentDir, file);
    try {
      await link(from, this.pathOf(file)).catch(async (error: unknown) => {
        // Not every file system has second names.
        if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'EXDEV', 'EMLINK'].includes(systemCode(error))) throw error;
        await copyFile(from, this.pathOf(file), constants.COPYFILE_FICLONE);
      });
    } catch (error) {
      throw storageError(error, 'keep the segment', from);
    }
  }
}
