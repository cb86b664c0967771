import type { CheckpointId } from '../base/ids.js';
import { ArchiveFolder } from './archive-folder.js';
import type { CheckpointManifest } from './checkpoint-manifest.js';
import type { ObjectStore } from './object-store.js';

/** Names a checkpoint in the archive of a job. */
export interface ArchivedCheckpoint {
  readonly writer: string;
  readonly checkpointId: CheckpointId;
}

/**
 * The checkpoints of a job in an object store, from which another machine, or another instance, takes them over.
 *
 *     <job>/<writer>/manifests/<id, 16 digits>
 *     <job>/<writer>/segments/…, <job>/<writer>/bases/…        (archive-folder.ts)
 *
 * A writer is a data folder, by a random name that is made with it: two machines never write the same object, and what a
 * writer's manifests name lies in its own folder.
 *
 * Any thread.
 */
export class CheckpointArchive {
  readonly #objects: ObjectStore;
  readonly #jobName: string;

  /** @param jobName letters, digits, dashes and underscores, as every job's name */
  constructor(objects: ObjectStore, jobName: string) {
    this.#objects = objects;
    this.#jobName = jobName;
  }

  get location(): string {
    return this.#objects.location;
  }

  /** Where what a writer's manifests name lies. */
  folderOf(writer: string): ArchiveFolder {
    return new ArchiveFolder(this.#objects, `${this.#jobName}/${writer}/`);
  }

  /** Commits a checkpoint, whose segments and bases have all been put before. */
  async put(writer: string, manifest: CheckpointManifest): Promise<void> {
    await this.folderOf(writer).putManifest(manifestName(manifest.checkpointId), manifest);
  }

  /** `null` when it is not there, or no longer. */
  async get({ writer, checkpointId }: ArchivedCheckpoint): Promise<CheckpointManifest | null> {
    return this.folderOf(writer).getManifest(manifestName(checkpointId));
  }

  async delete({ writer, checkpointId }: ArchivedCheckpoint): Promise<void> {
    await this.folderOf(writer).deleteManifest(manifestName(checkpointId));
  }

  /** Every archived checkpoint of the job, by writer, ascending. */
  async list(): Promise<ArchivedCheckpoint[]> {
    const keys = await this.#objects.list(`${this.#jobName}/`);
    return keys.flatMap((key) => {
      const [, writer, kind, id] = key.split('/');
      if (writer === undefined || kind !== 'manifests' || id === undefined || !/^\d{16}$/.test(id)) return [];
      return [{ writer, checkpointId: Number(id) as CheckpointId }];
    });
  }

  /** The newest checkpoint of all writers, by the time at which it was taken; `null` when there is none. */
  async newest(): Promise<(ArchivedCheckpoint & { readonly manifest: CheckpointManifest }) | null> {
    // Of each writer the last is the newest.
    const lastOf = new Map((await this.list()).map((checkpoint) => [checkpoint.writer, checkpoint]));
    let newest: (ArchivedCheckpoint & { readonly manifest: CheckpointManifest }) | null = null;
    for (const checkpoint of lastOf.values()) {
      const manifest = await this.get(checkpoint);
      if (manifest === null || (newest !== null && manifest.timestamp <= newest.manifest.timestamp)) continue;
      newest = { ...checkpoint, manifest };
    }
    return newest;
  }
}

function manifestName(checkpointId: CheckpointId): string {
  return `manifests/${String(checkpointId).padStart(16, '0')}`;
}
