import type { KeyedStateBackend } from '../api/internal/state-backend.js';
import { shardsOfSubtask } from '../api/internal/key-groups.js';
import { type Clock, type MonotonicClock, systemMonotonicClock } from '../base/clock.js';
import type { CheckpointId, ShardId } from '../base/ids.js';
import { invariant } from '../base/invariant.js';
import type { ExecutionPlan, PlanVertex } from '../graph/execution-plan.js';
import type { BaseCopyRequest, SubtaskName } from '../protocol/control-message.js';
import type { StateAnswer, StateQuery } from '../protocol/inspection.js';
import type { RestoredJob, WorkerDeployment } from '../protocol/deployment.js';
import { StateStore } from '../state/state-store.js';

/** Checkpoints whose segments are written to the bases together: at one a second, what a restore reads again at most. */
const SEGMENTS_HELD_MAX = 16;

/** What a worker's state needs to know of its worker. */
export type StateDeployment = Pick<WorkerDeployment<ExecutionPlan>, 'worker' | 'plan' | 'state' | 'attempt'>;

/**
 * The keyed state of one worker: one store per state namespace and subtask. A store owns whole shards; operators of equal
 * namespace and subtask share it, since the same shards are theirs.
 *
 * Thread: its worker, from opening to closing.
 */
export class WorkerState {
  readonly #deployment: StateDeployment;
  readonly #clock: Clock;
  readonly #wake: () => void;
  readonly #monotonicClock: MonotonicClock;
  readonly #stores = new Map<string, StateStore>();

  /**
   * @param wake rings the worker's doorbell: background work has gone on, and tasks that waited for it may run again
   * @param monotonicClock measures how long upkeep takes
   */
  constructor(
    deployment: StateDeployment,
    clock: Clock,
    wake: () => void,
    monotonicClock: MonotonicClock = systemMonotonicClock,
  ) {
    this.#deployment = deployment;
    this.#clock = clock;
    this.#wake = wake;
    this.#monotonicClock = monotonicClock;
  }

  /** Opens and restores every store that this worker's subtasks need. */
  async open(restored: RestoredJob | null): Promise<void> {
    const needed = this.#neededStores();
    const { state, plan } = this.#deployment;
    for (const [name, { namespace, subtask, parallelism }] of needed) {
      const store = await StateStore.open({
        backend: state.backend,
        namespace,
        label: `${namespace}-${String(subtask)}`,
        stateDir: state.stateDir,
        segmentDir: state.segmentDir,
        shards: ownedShards(plan, subtask, parallelism),
        shardCount: plan.shardCount,
        memtableBudgetBytes: state.memtableBudgetBytes / needed.size,
        clock: this.#clock,
        monotonicClock: this.#monotonicClock,
        restore: restored?.keyed[namespace] ?? null,
        segmentsHeldMax: SEGMENTS_HELD_MAX,
        // The first attempt has checked them, or is followed by none; but not those of shards that have come since.
        areBasesKnown: this.#deployment.attempt > 0 && plan.ownedShards === null,
        schedule: (step) => {
          setImmediate(() => {
            step();
            this.#wake();
          });
        },
      });
      this.#stores.set(name, store);
    }
  }

  openBackend(namespace: string, subtask: number, operatorId: string): KeyedStateBackend {
    const store = this.#stores.get(storeName(namespace, subtask));
    invariant(store !== undefined, 'a store is open for each keyed operator');
    return store.openBackend(operatorId);
  }

  /** What a reader of the state would see of the key now. */
  read({ operatorId, stateNamespace, subtask, state, key }: StateQuery): StateAnswer {
    const store = this.#stores.get(storeName(stateNamespace, subtask));
    const known = store?.stateNames(operatorId) ?? [];
    if (store === undefined || !known.includes(state)) return { kind: 'unknown-state', known };
    const value = store.query(operatorId, state, key);
    return value === undefined ? { kind: 'no-value' } : { kind: 'value', json: JSON.stringify(value, asJson) };
  }

  stores(): readonly StateStore[] {
    return [...this.#stores.values()];
  }

  /** A subtask has reached its barrier: what its keyed operators write from now on belongs to the next checkpoint. */
  beginSnapshot({ vertex, subtask }: SubtaskName, checkpointId: CheckpointId): void {
    for (const { id, stateNamespace } of this.#deployment.plan.vertices[vertex]?.operators ?? []) {
      if (stateNamespace === null) continue;
      this.#stores.get(storeName(stateNamespace, subtask))?.beginSnapshot(id, checkpointId);
    }
  }

  /** Copies the base of a shard. @returns what {@link StateStore.copyBase} does; `null` when the shard is another worker's */
  copyBase({ namespace, shard, folder }: BaseCopyRequest): Promise<number> | null {
    const store = [...this.#stores.values()].find((one) => one.namespace === namespace && one.owns(shard));
    return store === undefined ? null : store.copyBase(shard, folder);
  }

  notifyCheckpointComplete(checkpointId: CheckpointId): void {
    for (const store of this.#stores.values()) store.notifyCheckpointComplete(checkpointId);
  }

  notifyCheckpointAborted(checkpointId: CheckpointId): void {
    for (const store of this.#stores.values()) store.notifyCheckpointAborted(checkpointId);
  }

  /** Serialises, applies and evicts for at most `budgetMs`. @returns whether anything was done */
  runUpkeep(budgetMs: number): boolean {
    let isMoreWaiting = false;
    for (const store of this.#stores.values()) isMoreWaiting = store.runSlice(budgetMs) || isMoreWaiting;
    return isMoreWaiting;
  }

  get needsCheckpoint(): boolean {
    return this.#any((store) => store.needsCheckpoint);
  }

  /** Whether applying lags so far behind that inputs have to wait. */
  get isOverloaded(): boolean {
    return this.#any((store) => store.isOverloaded);
  }

  /** Whether writes are under way whose end is told through the event loop. */
  get hasPendingIo(): boolean {
    return this.#any((store) => store.hasPendingIo);
  }

  async close(): Promise<void> {
    const stores = [...this.#stores.values()];
    this.#stores.clear();
    for (const store of stores) await store.close();
  }

  #any(holds: (store: StateStore) => boolean): boolean {
    for (const store of this.#stores.values()) if (holds(store)) return true;
    return false;
  }

  #neededStores(): Map<string, { namespace: string; subtask: number; parallelism: number }> {
    const { plan, worker } = this.#deployment;
    const needed = new Map<string, { namespace: string; subtask: number; parallelism: number }>();
    for (const vertex of plan.vertices) {
      for (const namespace of namespacesOf(vertex)) {
        for (let subtask = worker; subtask < vertex.parallelism; subtask += plan.workerCount) {
          needed.set(storeName(namespace, subtask), { namespace, subtask, parallelism: vertex.parallelism });
        }
      }
    }
    return needed;
  }
}

/** Of other shards another instance has the state; what lies here of them is of the past. */
function ownedShards(
  { shardCount, ownedShards: owned }: ExecutionPlan,
  subtask: number,
  parallelism: number,
): ShardId[] {
  const shards = shardsOfSubtask(subtask, parallelism, shardCount);
  return owned === null ? shards : shards.filter((shard) => owned.includes(shard));
}

function namespacesOf(vertex: PlanVertex): Set<string> {
  const namespaces = new Set<string>();
  for (const { stateNamespace } of vertex.operators) if (stateNamespace !== null) namespaces.add(stateNamespace);
  return namespaces;
}

/** What JSON has no form for: maps as lists of entries, sets as lists, large integers as text, bytes as base64. */
function asJson(_name: string, value: unknown): unknown {
  if (value instanceof Map) return [...value];
  if (value instanceof Set) return [...value];
  if (typeof value === 'bigint') return value.toString();
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  return value;
}

function storeName(namespace: string, subtask: number): string {
  return `${namespace}#${String(subtask)}`;
}
