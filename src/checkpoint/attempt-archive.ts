/**
 * What one attempt of a group's instance puts into the store that all instances reach: everything that its checkpoints need to be
 * gone on from by whoever takes its shards over.
 *
 *     <job>/<group>/manifests/<attempt>/<id>                    a checkpoint: named with the offsets that belong to it
 *     <job>/<group>/segments/<attempt>.<file>/…                 as in every archive (archive-folder.ts)
 *     <job>/<group>/bases/<namespace>/<shard>-<id>-<attempt>/…  copies of bases (lmdb)
 *
 * - Names begin with the attempt's, or end with it: nobody writes what another attempt wrote, be it believed dead.
 * - A segment is put once, with its checkpoint. Bases are copied in the background when the segments since the last copies are more
 *   than whoever takes over should have to replay, or than a manifest should have to name.
 *
 * Thread: main.
 */
import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { invariant } from '../base/invariant.js';
import { segmentFilesOf } from '../protocol/snapshot-handle.js';
import { fileNameOf } from '../storage/file-names.js';
import { archiveBase, type BaseCopier } from './archive-base.js';
import { type ArchivedBase, ArchiveFolder, isPartOf, partsOf } from './archive-folder.js';
import { ArchivedState } from './archived-state.js';
import type { CheckpointManifest } from './checkpoint-manifest.js';
import type { ObjectStore } from './object-store.js';

/** Each is named in every manifest. */
const SEGMENT_COUNT_MAX = 300;
/** Bases are copied when so much has to be replayed over the last copies. */
const SEGMENT_BYTES_MAX = 256 << 20;

export interface AttemptArchiveOptions {
  readonly folder: ArchiveFolder;
  readonly segmentDir: string;
  /** For copies of bases on their way. */
  readonly workDir: string;
  /** Of the attempt: unique, without a dot. */
  readonly name: string;
  /** What the attempt goes on from, as the store has it. */
  readonly from: Pick<CheckpointManifest, 'checkpointId' | 'snapshots'>;
  /** The checkpoints that this is made of, by name. */
  readonly takenOver: ReadonlyMap<string, CheckpointManifest>;
  /** Bases are copied when more files have to be replayed over the last copies. @defaultValue 300 */
  readonly segmentCountMax?: number;
}

/** The part of a store that belongs to a group's job. */
export function groupFolder(
  objects: ObjectStore,
  { jobName, group }: { jobName: string; group: string },
): ArchiveFolder {
  return new ArchiveFolder(objects, `${jobName}/${fileNameOf(group)}/`);
}

/** Where the manifest of a checkpoint lies, that offsets name `<attempt>/<id>`. */
export function manifestName(reference: string): string {
  return `manifests/${reference}`;
}

export class AttemptArchive {
  readonly name: string;
  readonly #options: AttemptArchiveOptions;
  readonly #state = new ArchivedState();
  /** By the name that workers know a segment by. */
  #names: Map<string, string>;
  readonly #inStore: Set<string>;
  /** Checkpoints that this attempt needs no longer, of whose parts others may. */
  readonly #left: Map<string, CheckpointManifest>;
  /** Newest last. */
  readonly #published: { readonly reference: string; readonly manifest: CheckpointManifest }[] = [];
  #committedId = 0;
  #isCopying = false;

  constructor(options: AttemptArchiveOptions) {
    const { name, from, takenOver } = options;
    this.name = name;
    this.#left = new Map(takenOver);
    this.#options = options;
    this.#inStore = segmentFilesOf(from.snapshots);
    this.#names = new Map(Array.from(this.#inStore, (file) => [file, file]));
    this.#state.adopt(from, from);
  }

  /** The newest checkpoint as the store has it; `null` before the first. */
  get newest(): CheckpointManifest | null {
    return this.#published.at(-1)?.manifest ?? null;
  }

  /** Gives the segments that workers have written the names that they have in the store. */
  async nameSegments(manifest: CheckpointManifest): Promise<CheckpointManifest> {
    const { segmentDir } = this.#options;
    const names = new Map<string, string>();
    for (const file of segmentFilesOf(manifest.snapshots)) {
      const name = this.#names.get(file) ?? `${this.name}.${file}`;
      if (!this.#names.has(file)) await rename(join(segmentDir, file), join(segmentDir, name));
      names.set(file, name);
      this.#names.set(file, name);
    }
    // No later checkpoint names what this one does not.
    this.#names = names;
    const snapshots = manifest.snapshots.map((handle) => ({
      ...handle,
      segments: handle.segments.map((segment) => ({ ...segment, file: names.get(segment.file) ?? segment.file })),
    }));
    return { ...manifest, snapshots };
  }

  /** Puts a checkpoint with everything that it needs. @returns its name, for the metadata of offsets */
  async publish(manifest: CheckpointManifest): Promise<string> {
    const { folder, segmentDir } = this.#options;
    this.#state.add(manifest);
    const described = this.#state.describe(manifest);
    invariant(described !== null, 'what an attempt goes on from is in the store, and so is every segment since');
    for (const file of segmentFilesOf(described.snapshots)) {
      if (this.#inStore.has(file)) continue;
      await folder.putSegment(file, join(segmentDir, file));
      this.#inStore.add(file);
    }
    const reference = `${this.name}/${String(manifest.checkpointId)}`;
    await folder.putManifest(manifestName(reference), described);
    this.#published.push({ reference, manifest: described });
    return reference;
  }

  /**
   * Every offset of this attempt now names its newest checkpoint: deletes what nobody needs any more.
   *
   * What this attempt has put, only its own checkpoints name, until somebody takes its shards over; and then it can commit no more.
   * What others have put is left to them as long as an offset of the group names a checkpoint that needs it: whoever took over
   * other shards from the same checkpoint leaves its name with his offsets until he has committed one of his own. No checkpoint
   * names what another attempt has put and the one before did not.
   *
   * @param readNamed the checkpoints that offsets of the group name at this moment
   */
  async dropOlder(readNamed: () => Promise<ReadonlySet<string>>): Promise<void> {
    const { folder } = this.#options;
    const { newest, name } = this;
    if (newest === null) return;
    this.#committedId = newest.checkpointId;
    this.#state.prune(newest.checkpointId);
    const needed = partsOf([newest]);
    for (const { reference, manifest } of this.#published.splice(0, this.#published.length - 1)) {
      await folder.deleteManifest(manifestName(reference));
      const unneeded = [...partsOf([manifest])].filter((part) => !needed.has(part));
      const own = unneeded.filter((part) => isPartOf(name, part));
      await folder.deleteParts(own);
      if (own.length < unneeded.length) this.#left.set(reference, manifest);
    }
    const files = segmentFilesOf(newest.snapshots);
    for (const file of this.#inStore) if (!files.has(file)) this.#inStore.delete(file);
    if (this.#left.size > 0) await this.#dropLeft(newest, await readNamed());
  }

  /**
   * Copies the bases that have changed, if it is time to; checkpoints go on meanwhile.
   *
   * @returns resolves when they are in the store; `null` when it is not time, or copying is under way
   */
  copyBases(copy: BaseCopier): Promise<void> | null {
    const { segmentCountMax = SEGMENT_COUNT_MAX } = this.#options;
    const isLong = this.#state.segmentCount > segmentCountMax || this.#state.segmentBytes > SEGMENT_BYTES_MAX;
    const changed = this.#state.changedBases();
    if (!isLong || this.#isCopying || changed.length === 0) return null;
    this.#isCopying = true;
    return this.#copyAll(changed, copy).finally(() => (this.#isCopying = false));
  }

  async #dropLeft(newest: CheckpointManifest, named: ReadonlySet<string>): Promise<void> {
    const { folder } = this.#options;
    const needing = [newest];
    for (const reference of named) {
      if (reference.startsWith(`${this.name}/`)) continue;
      const manifest = await folder.getManifest(manifestName(reference));
      // Replaced since the offsets were read: the next checkpoint looks again.
      if (manifest === null) return;
      needing.push(manifest);
    }
    const free = [...this.#left].filter(([reference]) => !named.has(reference));
    const needed = partsOf(needing);
    const parts = partsOf(free.map(([, manifest]) => manifest));
    for (const [reference] of free) await folder.deleteManifest(manifestName(reference));
    await folder.deleteParts([...parts].filter((part) => !needed.has(part)));
    for (const [reference] of free) this.#left.delete(reference);
  }

  async #copyAll(shards: readonly Omit<ArchivedBase, 'checkpointId'>[], copy: BaseCopier): Promise<void> {
    const { folder, workDir } = this.#options;
    const workFolder = join(workDir, this.name);
    try {
      for (const shard of shards) {
        const base = await archiveBase(folder, copy, { ...shard, writer: this.name }, workFolder);
        this.#state.addBase(base, this.#committedId);
      }
    } finally {
      await rm(workFolder, { recursive: true, force: true });
    }
  }
}
