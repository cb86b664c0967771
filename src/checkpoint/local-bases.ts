/**
 * Which bases lie in a folder of state, for an instance that takes shards over and gives them away: so that one that is current,
 * or can be brought up to date by a few segments, is not fetched again.
 *
 *     <stateDir>/bases.json                      what is known, replaced as a whole
 *     <stateDir>/<namespace>/shard-NNN/          bases, of shards that are here and of such as were
 *
 * A base holds what its shard had at some committed checkpoint, and never more than was committed: a store writes nothing else to
 * it. So whoever held the shard meanwhile, all that it lacks are the segments of later checkpoints of the same lineage.
 *
 * - **Invariant:** a base of which nothing is known is removed before its shard is opened. A fetch that a kill cut short, or state
 *   that was begun anew elsewhere, is never taken for one that is current.
 *
 * Thread: main, while no store has the folder open.
 */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { CheckpointId, ShardId } from '../base/ids.js';
import { MillraceError } from '../base/errors.js';
import { readAtomicFile, writeAtomicFile } from '../storage/atomic-file.js';
import { createDirectory } from '../storage/disk.js';
import { baseFolder } from './archive-folder.js';
import type { CheckpointManifest } from './checkpoint-manifest.js';
import { jsonReader } from './json-reader.js';

/** A base that lies here. */
export interface LocalBase {
  readonly namespace: string;
  readonly shard: ShardId;
  /** As in the handle of a base. */
  readonly lineage: string;
  /** It holds at least this checkpoint; 0 for one that is still to be made. */
  readonly checkpointId: number;
}

const FILE_NAME = 'bases.json';

export class LocalBases {
  readonly #stateDir: string;
  readonly #known: Map<string, LocalBase>;
  /** Checkpoints of this data folder from this one on are of the lineages that are known. */
  #sinceId: number;

  private constructor(stateDir: string, known: readonly LocalBase[], sinceId: number) {
    this.#stateDir = stateDir;
    this.#known = new Map(known.map((base) => [keyOf(base), base]));
    this.#sinceId = sinceId;
  }

  /** Opens the folder, which is made. What cannot be read is not known: those bases are fetched again. */
  static async open(stateDir: string): Promise<LocalBases> {
    await createDirectory(stateDir);
    const path = join(stateDir, FILE_NAME);
    try {
      const bytes = await readAtomicFile(path, 'MILLRACE_STATE_CORRUPT');
      if (bytes === null) return new LocalBases(stateDir, [], 0);
      const document = jsonReader(bytes, (place) => new MillraceError('MILLRACE_STATE_CORRUPT', `no valid ${place}`));
      const known = document.list('bases', (base) => ({
        namespace: base.text('namespace'),
        shard: base.count('shard') as ShardId,
        lineage: base.text('lineage'),
        checkpointId: base.count('checkpointId'),
      }));
      return new LocalBases(stateDir, known, document.count('sinceId'));
    } catch (error) {
      if (!MillraceError.is(error, 'MILLRACE_STATE_CORRUPT')) throw error;
      return new LocalBases(stateDir, [], 0);
    }
  }

  /** The checkpoint that the base of a shard holds at least; `null` when there is none of this lineage. */
  find(namespace: string, shard: ShardId, lineage: string): number | null {
    const base = this.#known.get(keyOf({ namespace, shard }));
    return base?.lineage === lineage ? base.checkpointId : null;
  }

  folderOf(namespace: string, shard: ShardId): string {
    return baseFolder(this.#stateDir, namespace, shard);
  }

  /** Takes note of how far bases have been written, as a checkpoint of this data folder says. Not durable before {@link keep}. */
  note({ checkpointId, snapshots }: CheckpointManifest): void {
    if (checkpointId < this.#sinceId) return;
    for (const { namespace, bases } of snapshots) {
      for (const { shard, checkpointId: heldId } of bases) {
        const known = this.#known.get(keyOf({ namespace, shard }));
        if (known === undefined || heldId <= known.checkpointId) continue;
        this.#known.set(keyOf(known), { ...known, checkpointId: heldId });
      }
    }
  }

  /** Forgets the bases of these shards, durably, and then removes them. */
  async drop(shards: Iterable<Pick<LocalBase, 'namespace' | 'shard'>>): Promise<void> {
    const dropped = [...shards];
    for (const shard of dropped) this.#known.delete(keyOf(shard));
    await this.#save();
    for (const { namespace, shard } of dropped) {
      await rm(this.folderOf(namespace, shard), { recursive: true, force: true });
    }
  }

  /**
   * Takes note of bases that are here now, durably.
   *
   * @param sinceId of the first checkpoint that stores with these bases will take
   */
  async keep(bases: Iterable<LocalBase>, sinceId: CheckpointId): Promise<void> {
    for (const base of bases) this.#known.set(keyOf(base), base);
    this.#sinceId = sinceId;
    await this.#save();
  }

  async #save(): Promise<void> {
    const document = { sinceId: this.#sinceId, bases: [...this.#known.values()] };
    await writeAtomicFile(join(this.#stateDir, FILE_NAME), Buffer.from(JSON.stringify(document), 'utf8'));
  }
}

function keyOf({ namespace, shard }: Pick<LocalBase, 'namespace' | 'shard'>): string {
  return `${String(shard)} ${namespace}`;
}
