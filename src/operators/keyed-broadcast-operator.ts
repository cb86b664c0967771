import type {
  BroadcastState,
  KeyedBroadcastContext,
  KeyedBroadcastOnTimerContext,
  KeyedBroadcastProcessFunction,
  KeyedBroadcastReadContext,
  ReadOnlyBroadcastState,
} from '../api/broadcast-functions.js';
import type { KeySelector } from '../api/functions.js';
import type { ShardCopy } from '../api/internal/shard-copies.js';
import type { KeyedStateBackend, Namespace } from '../api/internal/state-backend.js';
import type { MapStateDescriptor, StateDescriptor } from '../api/keyed-state.js';
import type { TimeDomain, TimerService } from '../api/timer-service.js';
import { MillraceError } from '../base/errors.js';
import { BroadcastStateMap } from './broadcast-state-map.js';
import type { OperatorContext } from './operator.js';
import { ShardBroadcastState, ShardInProcess } from './shard-broadcast-state.js';
import { KeyedOperatorProcessContext, OperatorProcessContext } from './process-context.js';
import { InternalTimerService } from './timer-service.js';
import type { TimerTarget } from './timer-service.js';
import { TwoInputOperatorBase } from './two-input-operator-base.js';

/** Names broadcast state among the operator's lists in a snapshot. */
const STATE_PREFIX = 'broadcast/';

/**
 * Runs a `KeyedBroadcastProcessFunction`: input 1 is keyed, input 2 reaches every subtask whole.
 *
 * Broadcast state is the same in every subtask, so subtask 0 alone stores it, and every subtask reads it back. Where shards move
 * between instances each shard has its own, and a broadcast record comes once for each: see {@link ShardBroadcastState}.
 */
export class KeyedBroadcastOperator<K, In1, In2, Out>
  extends TwoInputOperatorBase<In1, In2, Out>
  implements TimerTarget
{
  readonly #fn: KeyedBroadcastProcessFunction<K, In1, In2, Out>;
  readonly #key: KeySelector<In1, K>;
  readonly #descriptors: readonly MapStateDescriptor<unknown, unknown>[];
  readonly #states = new Map<string, BroadcastState<unknown, unknown>>();
  /** `null` where every subtask holds broadcast state as a whole. */
  readonly #shard: ShardInProcess | null;
  #timers: InternalTimerService | null = null;
  #readContext: KeyedReadContext<K, Out> | null = null;
  #writeContext: BroadcastWriteContext<K, Out> | null = null;

  constructor(spec: {
    readonly fn: KeyedBroadcastProcessFunction<K, In1, In2, Out>;
    readonly key: KeySelector<In1, K>;
    readonly states: readonly MapStateDescriptor<unknown, unknown>[];
    /** As in the operator's spec. */
    readonly shardKeys?: readonly number[];
  }) {
    super();
    this.#fn = spec.fn;
    this.#key = spec.key;
    this.#descriptors = spec.states;
    this.#shard = spec.shardKeys === undefined ? null : new ShardInProcess(spec.shardKeys);
  }

  override open(context: OperatorContext<Out>): void {
    super.open(context);
    for (const descriptor of this.#descriptors) this.#states.set(descriptor.name, this.#openState(descriptor, context));
    this.#timers = new InternalTimerService(context, 'user-timers', this);
    this.#readContext = new KeyedReadContext(context, this.#timers.asTimerService(), this.#states);
    this.#writeContext = new BroadcastWriteContext(context, this.#timers.asTimerService(), this.#states, this.#shard);
    this.openFunction(this.#fn);
  }

  processElement1(value: In1, timestamp: number): void {
    this.enterKey(this.#key, value);
    const functionContext = this.#readContext as KeyedReadContext<K, Out>;
    functionContext.enterRecord(timestamp);
    try {
      this.#fn.processElement(value, functionContext, functionContext);
    } catch (error) {
      throw this.failure(error, 'processElement');
    }
  }

  processElement2(value: In2, timestamp: number): void {
    if (this.#shard === null) return this.#processBroadcast(value, timestamp);
    const [shardKey, record] = value as unknown as ShardCopy;
    this.#shard.broadcastKey = shardKey;
    try {
      this.#processBroadcast(record as In2, timestamp);
    } finally {
      this.#shard.broadcastKey = null;
    }
  }

  #processBroadcast(value: In2, timestamp: number): void {
    const functionContext = this.#writeContext as BroadcastWriteContext<K, Out>;
    this.context.keyedState?.clearCurrentKey();
    functionContext.enterRecord(timestamp);
    try {
      this.#fn.processBroadcastElement(value, functionContext, functionContext);
    } catch (error) {
      throw this.failure(error, 'processBroadcastElement');
    }
  }

  override processWatermark(timestamp: number): void {
    this.#timers?.advanceWatermark(timestamp);
    super.processWatermark(timestamp);
  }

  onTimer(timestamp: number, _namespace: Namespace, domain: TimeDomain): void {
    const functionContext = this.#readContext as KeyedReadContext<K, Out>;
    functionContext.enterTimer(timestamp, domain);
    try {
      this.#fn.onTimer?.(timestamp, functionContext, functionContext);
    } catch (error) {
      throw this.failure(error, 'onTimer');
    }
  }

  override snapshotOperatorState(): Readonly<Record<string, readonly unknown[]>> {
    const lists: Record<string, readonly unknown[]> = { ...super.snapshotOperatorState() };
    if (this.context.runtime.taskInfo.indexOfThisSubtask !== 0) return lists;
    for (const [name, state] of this.#states) {
      if (state instanceof BroadcastStateMap) lists[`${STATE_PREFIX}${name}`] = state.snapshot();
    }
    return lists;
  }

  #openState(
    descriptor: MapStateDescriptor<unknown, unknown>,
    { operatorState, keyedState }: OperatorContext<Out>,
  ): BroadcastState<unknown, unknown> {
    const name = `${STATE_PREFIX}${descriptor.name}`;
    if (this.#shard !== null && keyedState !== null) {
      return new ShardBroadcastState(keyedState, keyedState.mapState({ ...descriptor, name }), this.#shard);
    }
    const state = new BroadcastStateMap<unknown, unknown>();
    state.restore(operatorState.restoredUnion?.(name) ?? operatorState.restored(name) ?? []);
    return state;
  }
}

type BroadcastStates = ReadonlyMap<string, BroadcastState<unknown, unknown>>;

class KeyedReadContext<K, Out>
  extends KeyedOperatorProcessContext<K, Out>
  implements KeyedBroadcastReadContext<K>, KeyedBroadcastOnTimerContext<K>
{
  readonly #states: BroadcastStates;

  constructor(operator: OperatorContext<Out>, timers: TimerService, states: BroadcastStates) {
    super(operator, timers);
    this.#states = states;
  }

  getBroadcastState<UK, UV>(descriptor: MapStateDescriptor<UK, UV>): ReadOnlyBroadcastState<UK, UV> {
    return findState(this.#states, descriptor, this.operator.operatorId);
  }
}

class BroadcastWriteContext<K, Out> extends OperatorProcessContext<Out> implements KeyedBroadcastContext<K> {
  readonly #states: BroadcastStates;
  readonly #shard: ShardInProcess | null;

  constructor(
    operator: OperatorContext<Out>,
    timers: TimerService,
    states: BroadcastStates,
    shard: ShardInProcess | null,
  ) {
    super(operator, timers);
    this.#states = states;
    this.#shard = shard;
  }

  currentProcessingTime(): number {
    return this.timerService().currentProcessingTime();
  }

  currentWatermark(): number {
    return this.timerService().currentWatermark();
  }

  getBroadcastState<UK, UV>(descriptor: MapStateDescriptor<UK, UV>): BroadcastState<UK, UV> {
    return findState(this.#states, descriptor, this.operator.operatorId);
  }

  applyToKeyedState(descriptor: unknown, visit: (key: K, state: never) => void): void {
    const keyedState = this.operator.keyedState as KeyedStateBackend;
    const known = descriptor as StateDescriptor;
    const state = stateOf(keyedState, known);
    keyedState.forEachKey(known.name, (key) => {
      // Each shard gets the record by itself, for its own keys.
      if (this.#shard === null || this.#shard.has(keyedState.getCurrentKeyGroup())) visit(key as K, state as never);
    });
    keyedState.clearCurrentKey();
  }
}

function stateOf(keyedState: KeyedStateBackend, descriptor: StateDescriptor): unknown {
  switch (descriptor.kind) {
    case 'value':
      return keyedState.valueState(descriptor);
    case 'list':
      return keyedState.listState(descriptor);
    case 'map':
      return keyedState.mapState(descriptor);
    case 'reducing':
      return keyedState.reducingState(descriptor);
    case 'aggregating':
      return keyedState.aggregatingState(descriptor);
  }
}

function findState<UK, UV>(
  states: BroadcastStates,
  descriptor: MapStateDescriptor<UK, UV>,
  operatorId: string,
): BroadcastState<UK, UV> {
  const state = states.get(descriptor.name);
  if (state !== undefined) return state as unknown as BroadcastState<UK, UV>;
  throw new MillraceError(
    'MILLRACE_STATE_CONFLICT',
    `operator "${operatorId}" asks for broadcast state "${descriptor.name}", which is not broadcast to it`,
    { hint: 'Name the state when the stream is broadcast.', details: { operator: operatorId, state: descriptor.name } },
  );
}
