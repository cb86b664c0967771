import type { Namespace } from '../../api/internal/state-backend.js';
import type { KeyedStateStore } from '../../api/keyed-state-store.js';
import type {
  AggregatingState,
  AggregatingStateDescriptor,
  ListState,
  ListStateDescriptor,
  MapState,
  MapStateDescriptor,
  ReducingState,
  ReducingStateDescriptor,
  ValueState,
  ValueStateDescriptor,
} from '../../api/keyed-state.js';
import type { OutputTag } from '../../api/process-function.js';
import type { OnMergeContext } from '../../api/trigger.js';
import type { ProcessWindowContext } from '../../api/window-function.js';
import type { Window } from '../../api/windows.js';
import { MillraceError } from '../../base/errors.js';
import type { OperatorContext } from '../operator.js';
import type { InternalTimerService } from '../timer-service.js';
import { NamespacedStateStore } from './namespaced-state-store.js';

/** What triggers see: timers and state of the current key and of the window that the operator entered. One per operator. */
export class OperatorTriggerContext implements OnMergeContext {
  readonly #timers: InternalTimerService;
  readonly #store: NamespacedStateStore;
  #mergedNamespaces: readonly Namespace[] = [];

  constructor(operator: OperatorContext<never>, timers: InternalTimerService) {
    this.#timers = timers;
    this.#store = new NamespacedStateStore(requireKeyedState(operator), 'trigger/');
  }

  enter(namespace: Namespace): void {
    this.#store.namespace = namespace;
  }

  /** While `onMerge` runs: whose state is merged. */
  enterMerge(namespace: Namespace, merged: readonly Namespace[]): void {
    this.#store.namespace = namespace;
    this.#mergedNamespaces = merged;
  }

  getCurrentProcessingTime(): number {
    return this.#timers.currentProcessingTime();
  }

  getCurrentWatermark(): number {
    return this.#timers.currentWatermark();
  }

  registerProcessingTimeTimer(timestamp: number): void {
    this.#timers.registerProcessingTimeTimer(this.#store.namespace, timestamp);
  }

  registerEventTimeTimer(timestamp: number): void {
    this.#timers.registerEventTimeTimer(this.#store.namespace, timestamp);
  }

  deleteProcessingTimeTimer(timestamp: number): void {
    this.#timers.deleteProcessingTimeTimer(this.#store.namespace, timestamp);
  }

  deleteEventTimeTimer(timestamp: number): void {
    this.#timers.deleteEventTimeTimer(this.#store.namespace, timestamp);
  }

  getState<T>(descriptor: ValueStateDescriptor<T>): ValueState<T> {
    return this.#store.getState(descriptor);
  }

  getListState<T>(descriptor: ListStateDescriptor<T>): ListState<T> {
    return this.#store.getListState(descriptor);
  }

  getMapState<K, V>(descriptor: MapStateDescriptor<K, V>): MapState<K, V> {
    return this.#store.getMapState(descriptor);
  }

  getReducingState<T>(descriptor: ReducingStateDescriptor<T>): ReducingState<T> {
    return this.#store.getReducingState(descriptor);
  }

  getAggregatingState<I, A, O>(descriptor: AggregatingStateDescriptor<I, A, O>): AggregatingState<I, O> {
    return this.#store.getAggregatingState(descriptor);
  }

  mergePartitionedState<T, A, O>(
    descriptor: ListStateDescriptor<T> | ReducingStateDescriptor<T> | AggregatingStateDescriptor<T, A, O>,
  ): void {
    this.#store.mergeInto(descriptor as ListStateDescriptor<never>, this.#mergedNamespaces);
  }
}

/** What window functions see. One per operator; the window is set before each call. */
export class OperatorWindowContext<W extends Window, Out> implements ProcessWindowContext<W> {
  readonly #operator: OperatorContext<Out>;
  readonly #timers: InternalTimerService;
  readonly #windowStore: NamespacedStateStore | null;
  readonly #globalStore: NamespacedStateStore;
  #window: W | null = null;

  constructor(operator: OperatorContext<Out>, timers: InternalTimerService, isMerging: boolean) {
    const keyedState = requireKeyedState(operator);
    this.#operator = operator;
    this.#timers = timers;
    this.#windowStore = isMerging ? null : new NamespacedStateStore(keyedState, 'window/');
    this.#globalStore = new NamespacedStateStore(keyedState, '');
  }

  enter(window: W, namespace: Namespace): void {
    this.#window = window;
    if (this.#windowStore !== null) this.#windowStore.namespace = namespace;
  }

  window(): W {
    return this.#window as W;
  }

  currentProcessingTime(): number {
    return this.#timers.currentProcessingTime();
  }

  currentWatermark(): number {
    return this.#timers.currentWatermark();
  }

  windowState(): KeyedStateStore {
    if (this.#windowStore !== null) return this.#windowStore;
    throw new MillraceError('MILLRACE_STATE_CONFLICT', 'windows that merge have no state per window', {
      hint: 'Use globalState, or windows that do not merge.',
    });
  }

  globalState(): KeyedStateStore {
    return this.#globalStore;
  }

  output<T>(tag: OutputTag<T>, value: T): void {
    this.#operator.output.collectSide(tag, value, this.window().maxTimestamp());
  }
}

function requireKeyedState(operator: OperatorContext<never>): NonNullable<OperatorContext<never>['keyedState']> {
  if (operator.keyedState !== null) return operator.keyedState;
  throw new MillraceError('MILLRACE_INVARIANT_VIOLATED', 'a window operator is opened without keyed state');
}
