import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { CheckpointId, ShardId } from '../../../src/base/ids.js';
import type { ArchiveFolder } from '../../../src/checkpoint/archive-folder.js';
import { AttemptArchive, groupFolder, manifestName } from '../../../src/checkpoint/attempt-archive.js';
import type { CheckpointManifest } from '../../../src/checkpoint/checkpoint-manifest.js';
import { LocalBases } from '../../../src/checkpoint/local-bases.js';
import type { ObjectStore } from '../../../src/checkpoint/object-store.js';
import { mergeSnapshots, takeOver } from '../../../src/checkpoint/take-over.js';
import type { SegmentHandle, SnapshotHandle } from '../../../src/protocol/snapshot-handle.js';
import { aManifest, aSnapshot } from '../../helpers/checkpoint-builders.js';
import { withMemoryDirectory } from '../../helpers/temporary-directory.js';

/**
 * Instances that take shards over from each other, with files in the place of LMDB environments and a table in that of Kafka's
 * offsets: everything in between is the real thing. Whoever takes a shard over must find what was committed last, whoever had it
 * before, whatever lies in his folder, and wherever a kill came.
 */
const SHARDS = 4;

type Rows = Record<string, number>;

/** A base: what it holds for certain, and rows that may be of later checkpoints. */
interface Base {
  applied: number;
  rows: Rows;
}

class Killed extends Error {}

/** Object storage whose next calls may be the last that this process makes. */
class MortalStore implements ObjectStore {
  readonly location = 'memory';
  readonly objects = new Map<string, Buffer>();
  callsLeft = Infinity;

  #call(): void {
    if (this.callsLeft-- <= 0) throw new Killed('killed');
  }

  put(key: string, bytes: Uint8Array): Promise<void> {
    return this.#do(() => void this.objects.set(key, Buffer.from(bytes)));
  }

  get(key: string): Promise<Buffer | null> {
    return this.#do(() => this.objects.get(key) ?? null);
  }

  list(prefix: string): Promise<string[]> {
    return this.#do(() => [...this.objects.keys()].filter((key) => key.startsWith(prefix)).sort());
  }

  delete(key: string): Promise<void> {
    return this.#do(() => void this.objects.delete(key));
  }

  removeEmpty(): Promise<void> {
    return this.#do(() => undefined);
  }

  async #do<T>(act: () => T): Promise<T> {
    await Promise.resolve();
    this.#call();
    return act();
  }
}

/** What Kafka has: of each shard the owner, and the checkpoint that its offset names; and what that must hold. */
class Offsets {
  readonly owner: (string | null)[] = Array.from({ length: SHARDS }, () => null);
  readonly reference: (string | null)[] = Array.from({ length: SHARDS }, () => null);
  readonly state: Rows[] = Array.from({ length: SHARDS }, () => ({}));
}

/** What an attempt has in memory. */
interface Attempt {
  readonly archive: AttemptArchive;
  readonly shards: readonly number[];
  readonly state: Rows[];
  readonly bases: Map<number, Base>;
  /** Not in every base yet, oldest first. */
  chain: { readonly handle: SegmentHandle; readonly rows: Record<number, Rows> }[];
  dirty: Record<number, Rows>;
  completedId: number;
}

class Instance {
  readonly #dir: string;
  readonly #world: World;
  #local: LocalBases | null = null;
  #nextId = 1;
  #newest: CheckpointManifest | null = null;
  attempt: Attempt | null = null;

  constructor(world: World, dir: string) {
    this.#world = world;
    this.#dir = dir;
  }

  get #segmentDir(): string {
    return join(this.#dir, 'segments');
  }

  /** A process that was killed has what is on its disk. */
  kill(): void {
    this.attempt = null;
    this.#local = null;
  }

  async take(shards: readonly number[]): Promise<void> {
    const { offsets, folder } = this.#world;
    this.attempt = null;
    await mkdir(this.#segmentDir, { recursive: true });
    if (this.#local === null) {
      this.#local = await LocalBases.open(join(this.#dir, 'state'));
      if (this.#newest !== null) this.#local.note(this.#newest);
    }
    const name = `attempt${String(this.#world.attempts++)}`;
    for (const shard of shards) offsets.owner[shard] = name;
    const shardsOf = new Map<string, Set<number>>();
    for (const shard of shards) {
      const reference = offsets.reference[shard];
      if (reference === null || reference === undefined) continue;
      shardsOf.set(reference, (shardsOf.get(reference) ?? new Set()).add(shard));
    }
    const takenOver = new Map<string, CheckpointManifest>();
    for (const reference of shardsOf.keys()) {
      const manifest = await folder.getManifest(manifestName(reference));
      if (manifest === null) throw new Error(`${reference} is not in the store, and offsets name it`);
      takenOver.set(reference, manifest);
    }
    const newestId = Math.max(0, ...[...takenOver.values()].map(({ checkpointId }) => checkpointId));
    this.#nextId = Math.max(this.#nextId, newestId + 1);
    const merged = mergeSnapshots(
      { shardCount: SHARDS, stateBackend: 'lmdb', namespaces: ['main'], lineage: name },
      [...takenOver].map(([reference, manifest]) => [manifest, shardsOf.get(reference) ?? new Set()] as const),
    );
    const archive = new AttemptArchive({
      folder,
      segmentDir: this.#segmentDir,
      workDir: join(this.#dir, 'copies'),
      name,
      from: { checkpointId: newestId as CheckpointId, snapshots: merged },
      takenOver,
      segmentCountMax: 1,
    });
    const { snapshots, fetchedBases, keptBases } = await takeOver(merged, {
      shards: new Set(shards),
      folder,
      segmentDir: this.#segmentDir,
      bases: this.#local,
      nextCheckpointId: this.#nextId as CheckpointId,
    });
    this.#world.fetchedBases += fetchedBases;
    this.#world.keptBases += keptBases;
    this.attempt = await this.#restored(archive, shards, snapshots);
    for (const shard of shards) expect(this.attempt.state[shard], `shard ${shard}`).toEqual(offsets.state[shard]);
  }

  async #restored(
    archive: AttemptArchive,
    shards: readonly number[],
    snapshots: readonly SnapshotHandle[],
  ): Promise<Attempt> {
    const state: Rows[] = Array.from({ length: SHARDS }, () => ({}));
    const bases = new Map<number, Base>();
    const chain: Attempt['chain'] = [];
    for (const shard of shards) {
      const base = await this.#readBase(shard);
      bases.set(shard, base);
      const handle = snapshots.find((one) => one.shards.includes(shard as ShardId));
      const needed = handle?.bases.find((one) => one.shard === shard)?.checkpointId ?? 0;
      expect(base.applied, `base of shard ${shard}`).toBeGreaterThanOrEqual(needed);
      const found = { ...base.rows };
      state[shard] = found;
      for (const segment of handle?.segments ?? []) {
        if (segment.checkpointId <= base.applied || !segment.sections.some((one) => one.shard === shard)) continue;
        const rows = JSON.parse(await readFile(join(this.#segmentDir, segment.file), 'utf8')) as Record<number, Rows>;
        Object.assign(found, rows[shard]);
        chain.push({ handle: { ...segment, sections: sectionsFor([shard]) }, rows: { [shard]: rows[shard] ?? {} } });
      }
    }
    chain.sort((a, b) => a.handle.checkpointId - b.handle.checkpointId);
    return { archive, shards, state, bases, chain, dirty: {}, completedId: this.#nextId - 1 };
  }

  write(shard: number, key: number): void {
    const { attempt } = this;
    if (attempt === null || !attempt.shards.includes(shard)) return;
    const row = { [`k${String(key)}`]: this.#world.values++ };
    attempt.dirty[shard] = { ...attempt.dirty[shard], ...row };
    Object.assign(attempt.state[shard] as Rows, row);
  }

  async checkpoint(): Promise<void> {
    const { attempt } = this;
    if (attempt === null || attempt.shards.length === 0) return;
    const { offsets } = this.#world;
    const checkpointId = this.#nextId++ as CheckpointId;
    const shards = Object.keys(attempt.dirty).map(Number);
    if (shards.length > 0) {
      const file = `main-0-${String(checkpointId)}.seg`;
      await writeFile(join(this.#segmentDir, file), JSON.stringify(attempt.dirty));
      const handle = { file, checkpointId, kind: 'delta', bytes: 1, rows: 1, sections: sectionsFor(shards) } as const;
      attempt.chain.push({ handle, rows: attempt.dirty });
      attempt.dirty = {};
    }
    const committed = attempt.shards.map((shard) => [shard, { ...attempt.state[shard] }] as const);
    const manifest = await attempt.archive.nameSegments(this.#manifestOf(attempt, checkpointId));
    this.#newest = manifest;
    const reference = await attempt.archive.publish(manifest);
    // Somebody has taken a shard over: the transaction is refused.
    if (attempt.shards.some((shard) => offsets.owner[shard] !== attempt.archive.name)) return this.kill();
    for (const [shard, rows] of committed) {
      offsets.reference[shard] = reference;
      offsets.state[shard] = rows;
    }
    this.#local?.note(manifest);
    attempt.completedId = checkpointId;
    await attempt.archive.dropOlder(() => {
      return Promise.resolve(new Set(offsets.reference.filter((one) => one !== null)));
    });
  }

  /** What an instance does that is left alone. */
  async work({ times, key, applies }: { times: number; key: number; applies: boolean }): Promise<void> {
    for (let time = 0; time < times; time++) {
      const shards = this.attempt?.shards ?? [];
      for (const shard of shards) if ((shard + time) % 3 > 0) this.write(shard, key + time);
      await this.checkpoint();
      if (applies) for (const shard of shards) await this.apply(shard, true);
    }
    await this.copy();
  }

  #manifestOf(attempt: Attempt, checkpointId: CheckpointId): CheckpointManifest {
    const shards = [...attempt.shards].sort((a, b) => a - b) as ShardId[];
    const bases = shards.map((shard) => ({ shard, checkpointId: attempt.bases.get(shard)?.applied ?? 0 }));
    const segments = attempt.chain.map(({ handle }) => handle);
    const snapshots = [aSnapshot(checkpointId, { shards, shardCount: SHARDS, segments, bases })];
    return aManifest(checkpointId, { shardCount: SHARDS, snapshots, operatorStates: [] });
  }

  /** Writes rows of completed checkpoints into a base; `isWhole` as far as there are any, otherwise without a record of it. */
  async apply(shard: number, isWhole: boolean): Promise<void> {
    const { attempt } = this;
    const base = attempt?.bases.get(shard);
    if (attempt === null || base === undefined) return;
    for (const { handle, rows } of attempt.chain) {
      if (handle.checkpointId > attempt.completedId || rows[shard] === undefined) continue;
      if (handle.checkpointId <= base.applied) continue;
      Object.assign(base.rows, rows[shard]);
      if (!isWhole) break;
      base.applied = handle.checkpointId;
    }
    const path = join(this.#folderOf(shard), 'data.mdb');
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, JSON.stringify(base));
    attempt.chain = attempt.chain.filter(({ handle }) =>
      handle.sections.some(({ shard: one }) => (attempt.bases.get(one)?.applied ?? Infinity) < handle.checkpointId),
    );
  }

  /** Copies bases, of which each may catch rows that are written meanwhile. */
  async copy(): Promise<void> {
    const { attempt } = this;
    if (attempt === null) return;
    await attempt.archive.copyBases(async ({ shard, folder }) => {
      const checkpointId = attempt.bases.get(shard)?.applied ?? 0;
      await this.apply(shard, false);
      await mkdir(folder, { recursive: true });
      await writeFile(join(folder, 'data.mdb'), JSON.stringify(attempt.bases.get(shard)));
      this.#world.copies += 1;
      return checkpointId;
    });
  }

  #folderOf(shard: number): string {
    return this.#local?.folderOf('main', shard as ShardId) ?? '';
  }

  async #readBase(shard: number): Promise<Base> {
    try {
      return JSON.parse(await readFile(join(this.#folderOf(shard), 'data.mdb'), 'utf8')) as Base;
    } catch {
      return { applied: 0, rows: {} };
    }
  }
}

class World {
  readonly store = new MortalStore();
  readonly folder: ArchiveFolder = groupFolder(this.store, { jobName: 'job', group: 'a group' });
  readonly offsets = new Offsets();
  readonly instances: readonly Instance[];
  attempts = 0;
  values = 0;
  copies = 0;
  fetchedBases = 0;
  keptBases = 0;

  constructor(dir: string) {
    this.instances = [0, 1, 2].map((index) => new Instance(this, join(dir, `instance-${String(index)}`)));
  }

  /** Carries a step out; `callsLeft` calls of the store later the process is killed, if it comes to that. */
  async step(step: Step): Promise<void> {
    const instance = this.instances[step.instance];
    if (instance === undefined) return;
    this.store.callsLeft = step.callsLeft;
    try {
      if (step.kind === 'take') await this.#assign(step.instance, step.shards);
      else if (step.kind === 'write') for (const [shard, key] of step.rows) instance.write(shard, key);
      else if (step.kind === 'checkpoint') await instance.checkpoint();
      else if (step.kind === 'apply') for (const shard of step.shards) await instance.apply(shard, true);
      else if (step.kind === 'copy') await instance.copy();
      else if (step.kind === 'work') await instance.work(step);
      else if (step.kind === 'reset') this.#reset(step.shards);
      else instance.kill();
    } catch (error) {
      if (!isKill(error)) throw error;
      instance.kill();
    } finally {
      this.store.callsLeft = Infinity;
    }
  }

  /** Beside its new ones, an instance goes on with the shards that nobody has taken from it. */
  async #assign(index: number, shards: readonly number[]): Promise<void> {
    const instance = this.instances[index];
    const name = instance?.attempt?.archive.name;
    const kept = this.offsets.owner.flatMap((owner, shard) => (owner !== null && owner === name ? [shard] : []));
    await instance?.take([...new Set([...kept, ...shards])]);
  }

  /** Somebody deletes the offsets: those shards begin anew. */
  #reset(shards: readonly number[]): void {
    for (const shard of shards) {
      this.offsets.owner[shard] = null;
      this.offsets.reference[shard] = null;
      this.offsets.state[shard] = {};
    }
  }
}

function isKill(error: unknown): boolean {
  return error instanceof Killed || (error instanceof Error && error.cause instanceof Killed);
}

function sectionsFor(shards: readonly number[]): SegmentHandle['sections'] {
  return shards.map((shard) => ({ shard: shard as ShardId, position: 0, frameCount: 1, rows: 1 }));
}

const shard = fc.nat(SHARDS - 1);
const someShards = fc.uniqueArray(shard, { minLength: 1, maxLength: 3 });
const callsLeft = fc.oneof({ weight: 6, arbitrary: fc.constant(Infinity) }, { weight: 1, arbitrary: fc.nat(12) });
const base = { instance: fc.nat(2), callsLeft };
const aStep = fc.oneof(
  { weight: 4, arbitrary: fc.record({ ...base, kind: fc.constant('take' as const), shards: someShards }) },
  {
    weight: 6,
    arbitrary: fc.record({
      ...base,
      kind: fc.constant('write' as const),
      rows: fc.array(fc.tuple(shard, fc.nat(3)), { minLength: 1, maxLength: 4 }),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      ...base,
      kind: fc.constant('work' as const),
      times: fc.integer({ min: 1, max: 4 }),
      key: fc.nat(3),
      applies: fc.boolean(),
    }),
  },
  { weight: 6, arbitrary: fc.record({ ...base, kind: fc.constant('checkpoint' as const) }) },
  { weight: 5, arbitrary: fc.record({ ...base, kind: fc.constant('apply' as const), shards: someShards }) },
  { weight: 4, arbitrary: fc.record({ ...base, kind: fc.constant('copy' as const) }) },
  { weight: 1, arbitrary: fc.record({ ...base, kind: fc.constant('reset' as const), shards: someShards }) },
  { weight: 1, arbitrary: fc.record({ ...base, kind: fc.constant('kill' as const) }) },
);
type Step = typeof aStep extends fc.Arbitrary<infer T> ? T : never;

describe('shards that instances take over from each other', () => {
  it('have the state that was committed last, whoever had them before and wherever a kill came', async () => {
    let copies = 0;
    let keptBases = 0;
    let fetchedBases = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(aStep, { minLength: 10, maxLength: 50, size: 'max' }), async (steps) => {
        await withMemoryDirectory(async (dir) => {
          const world = new World(dir);
          for (const step of steps) await world.step(step);
          for (const step of world.instances.keys()) {
            await world.step({ kind: 'take', instance: step, shards: [0, 1, 2, 3], callsLeft: Infinity });
          }
          copies += world.copies;
          keptBases += world.keptBases;
          fetchedBases += world.fetchedBases;
        });
      }),
      { numRuns: 400 },
    );
    for (const count of [copies, keptBases, fetchedBases]) {
      expect(count, 'the property has looked at something').toBeGreaterThan(100);
    }
  });
});
