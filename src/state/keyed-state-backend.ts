import type {
  InternalAggregatingState,
  InternalListState,
  InternalMapState,
  InternalReducingState,
  InternalValueState,
  KeyedStateBackend,
  StateObserver,
  TimerTable,
} from '../api/internal/state-backend.js';
import type {
  AggregatingStateDescriptor,
  ListStateDescriptor,
  MapStateDescriptor,
  ReducingStateDescriptor,
  StateOptions,
  ValueStateDescriptor,
} from '../api/keyed-state.js';
import { canonicalKey } from '../api/internal/key-bytes.js';
import { VOID_NAMESPACE, type Namespace } from '../api/internal/state-backend.js';
import type { Clock } from '../base/clock.js';
import { MillraceError } from '../base/errors.js';
import type { KeyGroup } from '../base/ids.js';
import { MessagePackSerde } from '../protocol/msgpack-serde.js';
import { AwaitedRows } from './awaited-rows.js';
import type { KeyContext } from './key-context.js';
import type { RowKeyReader } from './key-encoding.js';
import { ListStateImpl, TtlListState } from './list-state.js';
import { MapRows } from './map-rows.js';
import { MapStateImpl, TtlMapState } from './map-state.js';
import { type MapRowState, ObservedMapRows, ObservedSingleRows, type SingleRowState } from './observed-rows.js';
import { AggregatingStateImpl, ReducingStateImpl } from './reducing-state.js';
import { SingleRows } from './single-rows.js';
import type { StateKind } from './state-dictionary.js';
import type { StateRows, StateRowsOptions } from './state-rows.js';
import { TimerRows, TimerTableImpl } from './timer-store.js';
import { TtlPolicy } from './ttl.js';
import { ListCodec, PresenceCodec, SingleValueCodec, type ValueCodec } from './value-codec.js';
import { ValueSchema } from './value-schema.js';
import { TtlValueState, ValueStateImpl } from './value-state.js';

/** What a backend needs of the store it was opened from. */
export interface BackendHost {
  readonly clock: Clock;
  /** What rows of a new state are made with: ids in all shards are assigned, and the kind is checked against what is stored. */
  rowsOptions(name: StateRowsOptions['name'], serde: string, context: KeyContext, codec: ValueCodec): StateRowsOptions;
  /** Moves restored rows of a state into memory, or has them wait. */
  loadRestored(rows: StateRows, awaited: AwaitedRows): void;
  /** Visits stored rows of a state that are beneath the memtable. The reader stands on the key. */
  forEachStored(rows: StateRows, visit: (reader: RowKeyReader, keyGroup: number) => void): void;
}

interface KnownState {
  readonly kind: StateKind;
  readonly rows: StateRows;
  readonly state: Queryable;
}

/** What a query sees of the current key, without changing anything. */
interface Queryable {
  peek(): unknown;
}

/**
 * The keyed state of one operator of one subtask. One thread: the worker's.
 *
 * The key is set once per record; each state then looks its row up at first access and remembers it until the key changes.
 */
export class OperatorStateBackend implements KeyedStateBackend {
  readonly operatorUid: string;
  /** The rows of every state, for the store. */
  readonly allRows: StateRows[] = [];
  readonly #host: BackendHost;
  readonly #context: KeyContext;
  readonly #states = new Map<string, KnownState>();
  readonly #defaultSerde = new MessagePackSerde<unknown>();
  readonly #awaited = new AwaitedRows();

  constructor(operatorUid: string, host: BackendHost, context: KeyContext) {
    this.operatorUid = operatorUid;
    this.#host = host;
    this.#context = context;
  }

  setCurrentKey(key: unknown): void {
    const context = this.#context;
    if (key === context.key && context.hasKey && typeof key !== 'object') return;
    context.set(key);
    this.invalidate();
  }

  setCurrentKeyAndGroup(key: unknown, keyGroup: KeyGroup): void {
    const context = this.#context;
    if (key === context.key && context.hasKey && typeof key !== 'object') return;
    context.setWithGroup(key, keyGroup);
    this.invalidate();
  }

  clearCurrentKey(): void {
    this.#context.clear();
    this.invalidate();
  }

  getCurrentKey(): unknown {
    return this.#context.key;
  }

  getCurrentKeyGroup(): KeyGroup {
    return this.#context.keyGroup;
  }

  /** Makes every state look its row up again. */
  invalidate(): void {
    const rows = this.allRows;
    for (let index = 0; index < rows.length; index++) (rows[index] as StateRows).invalidate();
    if (!this.#awaited.isEmpty) this.#loadCurrentShard();
  }

  /** Loads all restored rows that wait: for who walks them. */
  loadAll(): void {
    this.#awaited.loadAll();
  }

  valueState<T>(descriptor: ValueStateDescriptor<T>): InternalValueState<T> {
    return this.#stateOf(descriptor.name, 'value', () => {
      const { rows, policy } = this.#singleRows(descriptor.name, 'value', descriptor.options);
      return { rows, state: policy === null ? new ValueStateImpl<T>(rows) : new TtlValueState<T>(rows, policy) };
    });
  }

  listState<T>(descriptor: ListStateDescriptor<T>): InternalListState<T> {
    return this.#stateOf(descriptor.name, 'list', () => {
      const { rows, policy } = this.#singleRows(descriptor.name, 'list', descriptor.options);
      return { rows, state: policy === null ? new ListStateImpl<T>(rows) : new TtlListState<T>(rows, policy) };
    });
  }

  mapState<K, V>(descriptor: MapStateDescriptor<K, V>): InternalMapState<K, V> {
    return this.#stateOf(descriptor.name, 'map', () => {
      const { rows: options, policy } = this.#rowsOptions(descriptor.name, 'map', descriptor.options);
      const rows = new MapRows(options);
      return { rows, state: policy === null ? new MapStateImpl<K, V>(rows) : new TtlMapState<K, V>(rows, policy) };
    });
  }

  reducingState<T>(descriptor: ReducingStateDescriptor<T>): InternalReducingState<T> {
    return this.#stateOf(descriptor.name, 'reducing', () => {
      const { rows, policy } = this.#singleRows(descriptor.name, 'reducing', descriptor.options);
      return { rows, state: new ReducingStateImpl<T>(rows, policy, descriptor.reduce) };
    });
  }

  aggregatingState<I, A, O>(descriptor: AggregatingStateDescriptor<I, A, O>): InternalAggregatingState<I, O> {
    return this.#stateOf(descriptor.name, 'aggregating', () => {
      const { rows, policy } = this.#singleRows(descriptor.name, 'aggregating', descriptor.options);
      return { rows, state: new AggregatingStateImpl<I, A, O>(rows, policy, descriptor.aggregate) };
    });
  }

  timerTable(name: string): TimerTable {
    return this.#stateOf(`\u0000timer:${name}`, 'timer', () => {
      const stateName = { operatorUid: this.operatorUid, name, kind: 'timer' } as const;
      const rows = new TimerRows(this.#host.rowsOptions(stateName, 'none', this.#context, new PresenceCodec()));
      const table = new TimerTableImpl(rows, (visit) => this.#host.forEachStored(rows, visit));
      return { rows, state: table };
    });
  }

  forEachKey(stateName: string, visit: (key: unknown) => void): void {
    const known = this.#states.get(stateName);
    if (known === undefined) return;
    const { hasKey, key, keyGroup } = this.#context;
    try {
      // Keys are gathered first: the visitor may add and remove rows.
      for (const found of this.#keysOf(known.rows)) {
        this.setCurrentKey(found);
        visit(found);
      }
    } finally {
      if (hasKey) this.setCurrentKeyAndGroup(key, keyGroup);
      else this.clearCurrentKey();
    }
  }

  forEachRow(stateName: string, visit: (key: unknown, namespace: Namespace) => void): void {
    const rows = this.#states.get(stateName)?.rows;
    if (!(rows instanceof SingleRows)) return;
    this.loadAll();
    rows.forEachInMemory(visit);
    this.#host.forEachStored(rows, (reader) => {
      const key = reader.readElement();
      visit(key, reader.readNamespace());
    });
    this.clearCurrentKey();
  }

  observe(observer: StateObserver | null): void {
    for (const [name, { kind, rows, state }] of this.#states) {
      if (kind === 'timer') continue;
      if (rows instanceof MapRows) {
        (state as MapRowState & Queryable).accessThrough(
          observer === null ? rows : new ObservedMapRows(rows, name, observer),
        );
      } else if (rows instanceof SingleRows) {
        (state as SingleRowState & Queryable).accessThrough(
          observer === null ? rows : new ObservedSingleRows(rows, name, observer),
        );
      }
    }
  }

  /**
   * What a query from outside sees of a key: what the state's reader would see, of a map its entries; `undefined` when there
   * is nothing, or no such state. Renews no time to live. The result may be the state's own object: serialise it at once.
   */
  query(stateName: string, key: unknown): unknown {
    const known = this.#states.get(stateName);
    if (known === undefined) return undefined;
    const { hasKey, key: before, keyGroup } = this.#context;
    this.setCurrentKey(key);
    try {
      return known.state.peek();
    } finally {
      if (hasKey) this.setCurrentKeyAndGroup(before, keyGroup);
      else this.clearCurrentKey();
    }
  }

  /** The states that the operator has asked for so far, timers aside. */
  stateNames(): string[] {
    return [...this.#states].flatMap(([name, { kind }]) => (kind === 'timer' ? [] : [name]));
  }

  #keysOf(rows: StateRows): unknown[] {
    const keys: unknown[] = [];
    if (!(rows instanceof SingleRows || rows instanceof MapRows)) return keys;
    this.loadAll();
    for (const entry of rows.voidEntries()) if (entry.value !== undefined) keys.push(entry.key);
    const seen = new Set(keys.map(canonicalKey));
    this.#host.forEachStored(rows, (reader) => {
      const key = reader.readElement();
      if (reader.readNamespace() !== VOID_NAMESPACE) return;
      const lookupKey = canonicalKey(key);
      if (seen.has(lookupKey)) return;
      seen.add(lookupKey);
      keys.push(key);
    });
    return keys;
  }

  #singleRows(
    name: string,
    kind: StateKind,
    options: StateOptions<unknown>,
  ): { rows: SingleRows; policy: TtlPolicy | null } {
    const { rows, policy } = this.#rowsOptions(name, kind, options);
    return { rows: new SingleRows(rows), policy };
  }

  #rowsOptions(
    name: string,
    kind: StateKind,
    options: StateOptions<unknown>,
  ): { rows: StateRowsOptions; policy: TtlPolicy | null } {
    const serde = options.serde ?? this.#defaultSerde;
    const policy = options.ttl === undefined ? null : new TtlPolicy(options.ttl, this.#host.clock);
    const schema = new ValueSchema(options);
    const isStamped = policy !== null;
    const codec =
      kind === 'list' ? new ListCodec(serde, isStamped, schema) : new SingleValueCodec(serde, isStamped, schema);
    const stateName = { operatorUid: this.operatorUid, name, kind };
    return { rows: { ...this.#host.rowsOptions(stateName, serde.name, this.#context, codec), ttl: policy }, policy };
  }

  #stateOf<S extends Queryable>(name: string, kind: StateKind, make: () => { rows: StateRows; state: S }): S {
    const known = this.#states.get(name);
    if (known !== undefined) {
      if (known.kind !== kind) throw this.#conflict(name, known.kind, kind);
      return known.state as S;
    }
    const { rows, state } = make();
    this.#host.loadRestored(rows, this.#awaited);
    this.allRows.push(rows);
    this.#states.set(name, { kind, rows, state });
    if (!this.#awaited.isEmpty) this.#loadCurrentShard();
    return state;
  }

  #loadCurrentShard(): void {
    if (!this.#context.hasKey) return;
    try {
      this.#awaited.load(this.#context.shard);
    } catch (error) {
      // A key whose rows are not there must not be the current one: they would be taken for absent.
      this.#context.clear();
      throw error;
    }
  }

  #conflict(name: string, known: StateKind, asked: StateKind): MillraceError {
    return new MillraceError(
      'MILLRACE_STATE_CONFLICT',
      `state '${name}' of operator '${this.operatorUid}' is a ${known} state and was asked for as a ${asked} state`,
      {
        details: { operator: this.operatorUid, state: name, known, asked },
        hint: 'Give each state of an operator a name of its own.',
      },
    );
  }
}
