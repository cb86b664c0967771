import type { Clock } from '../base/clock.js';
import { MillraceError } from '../base/errors.js';
import type { ShardId } from '../base/ids.js';
import { OperatorStateBackend, type BackendHost } from './keyed-state-backend.js';
import { KeyContext } from './key-context.js';
import type { SnapshotSection } from './section.js';
import type { Shard } from './shard.js';
import { declareRows, loadShard, shardsById } from './shard-states.js';
import { MemoryUsage, type RowHost, type StateRows, type StateRowsOptions } from './state-rows.js';
import { StateSnapshot } from './state-snapshot.js';
import type { ValueCodec } from './value-codec.js';

/** Everything that a store in memory held at one instant. Plain data; may be restored more than once, and at another ownership. */
export interface MemorySnapshot {
  readonly shardCount: number;
  readonly sections: readonly SnapshotSection[];
}

export interface MemoryStateStoreOptions {
  /** Of the namespace: a power of two. */
  readonly shardCount: number;
  /** Those that this store owns. */
  readonly shards: readonly ShardId[];
  readonly clock: Clock;
  /** Snapshots of the stores that owned the shards before; rows of shards that are not owned are passed over. */
  readonly restore?: readonly MemorySnapshot[];
}

/**
 * Keyed state that lives in memory alone: for tests of operators and jobs, where nothing must touch a disk. The same
 * states and the same serialised form as the durable store; a snapshot is a value that the caller keeps.
 */
export class MemoryStateStore implements BackendHost, RowHost {
  readonly clock: Clock;
  readonly tracksChanges = false;
  readonly base = null;
  readonly usage = new MemoryUsage();
  readonly #shardCount: number;
  readonly #shards: (Shard | undefined)[];
  readonly #backends = new Map<string, OperatorStateBackend>();

  constructor(options: MemoryStateStoreOptions) {
    this.clock = options.clock;
    this.#shardCount = options.shardCount;
    this.#shards = shardsById(options.shards, options.shardCount);
    const snapshots = options.restore ?? [];
    for (const snapshot of snapshots) {
      if (snapshot.shardCount !== options.shardCount) throw shardCountChanged(snapshot.shardCount, options.shardCount);
    }
    for (const shard of this.#shards) {
      shard?.restore(snapshots.flatMap(({ sections }) => sections.filter((section) => section.shard === shard.id)));
    }
  }

  /** The state of one operator. Once per operator uid. */
  openBackend(operatorUid: string): OperatorStateBackend {
    if (this.#backends.has(operatorUid)) throw uidTaken(operatorUid);
    const backend = new OperatorStateBackend(operatorUid, this, new KeyContext(this.#shardCount));
    this.#backends.set(operatorUid, backend);
    return backend;
  }

  snapshotToMemory(): MemorySnapshot {
    const snapshot = new StateSnapshot('full', this.#shards);
    for (const backend of this.#backends.values()) snapshot.seal(backend.allRows);
    const sections = snapshot.toSections();
    for (const backend of this.#backends.values()) backend.invalidate();
    if (snapshot.failure !== null) throw snapshot.failure;
    return { shardCount: this.#shardCount, sections };
  }

  rowsOptions(name: StateRowsOptions['name'], serde: string, context: KeyContext, codec: ValueCodec): StateRowsOptions {
    return { name, context, codec, host: this, stateIds: declareRows(this.#shards, name, serde) };
  }

  loadRestored(rows: StateRows): void {
    for (const shard of this.#shards) if (shard !== undefined) loadShard(shard, rows);
  }

  forEachStored(): void {
    // Nothing is stored beneath the memtable.
  }
}

/** A backend on a memory store of its own, for tests of one operator. */
export function createHeapBackend(
  options: MemoryStateStoreOptions & { readonly operatorUid?: string },
): OperatorStateBackend & { snapshotToMemory(): MemorySnapshot } {
  const store = new MemoryStateStore(options);
  const backend = store.openBackend(options.operatorUid ?? 'operator');
  return Object.assign(backend, { snapshotToMemory: () => store.snapshotToMemory() });
}

export function uidTaken(operatorUid: string): MillraceError {
  return new MillraceError('MILLRACE_STATE_CONFLICT', `the state of operator '${operatorUid}' is already open`, {
    details: { operator: operatorUid },
    hint: 'Give each stateful operator a uid of its own.',
  });
}

export function shardCountChanged(stored: number, configured: number): MillraceError {
  return new MillraceError(
    'MILLRACE_STATE_INCOMPATIBLE',
    `state was stored in ${stored} shards and is now to be read in ${configured}`,
    { details: { stored, configured }, hint: 'Start with the number of shards that the state was stored with.' },
  );
}
