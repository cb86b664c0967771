import type { KeyedStateBackend, Mergeable, Namespace, Namespaced } from '../../api/internal/state-backend.js';
import { VOID_NAMESPACE } from '../../api/internal/state-backend.js';
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
  StateDescriptor,
  ValueState,
  ValueStateDescriptor,
} from '../../api/keyed-state.js';
import { MillraceError } from '../../base/errors.js';

/**
 * State of the current key and of one namespace, which whoever holds the store sets before it hands it on.
 *
 * A prefix keeps the names of different users apart: a trigger's `count` is not the function's.
 */
export class NamespacedStateStore implements KeyedStateStore {
  namespace: Namespace = VOID_NAMESPACE;
  readonly #keyedState: KeyedStateBackend;
  readonly #prefix: string;
  readonly #states = new Map<string, { readonly kind: StateDescriptor['kind']; readonly state: unknown }>();

  constructor(keyedState: KeyedStateBackend, prefix: string) {
    this.#keyedState = keyedState;
    this.#prefix = prefix;
  }

  getState<T>(descriptor: ValueStateDescriptor<T>): ValueState<T> {
    return this.#enter(descriptor.name, 'value', (name) => this.#keyedState.valueState({ ...descriptor, name }));
  }

  getListState<T>(descriptor: ListStateDescriptor<T>): ListState<T> {
    return this.#enter(descriptor.name, 'list', (name) => this.#keyedState.listState({ ...descriptor, name }));
  }

  getMapState<K, V>(descriptor: MapStateDescriptor<K, V>): MapState<K, V> {
    return this.#enter(descriptor.name, 'map', (name) => this.#keyedState.mapState({ ...descriptor, name }));
  }

  getReducingState<T>(descriptor: ReducingStateDescriptor<T>): ReducingState<T> {
    return this.#enter(descriptor.name, 'reducing', (name) => this.#keyedState.reducingState({ ...descriptor, name }));
  }

  getAggregatingState<I, A, O>(descriptor: AggregatingStateDescriptor<I, A, O>): AggregatingState<I, O> {
    return this.#enter(descriptor.name, 'aggregating', (name) =>
      this.#keyedState.aggregatingState({ ...descriptor, name }),
    );
  }

  /** Moves a mergeable state of other namespaces into the present one. */
  mergeInto(
    descriptor:
      ListStateDescriptor<never> | ReducingStateDescriptor<never> | AggregatingStateDescriptor<never, never, never>,
    sources: readonly Namespace[],
  ): void {
    const state = this.#mergeable(descriptor);
    state.mergeNamespaces(this.namespace, sources);
  }

  #mergeable(
    descriptor:
      ListStateDescriptor<never> | ReducingStateDescriptor<never> | AggregatingStateDescriptor<never, never, never>,
  ): Mergeable {
    switch (descriptor.kind) {
      case 'list':
        return this.getListState(descriptor) as unknown as Mergeable;
      case 'reducing':
        return this.getReducingState(descriptor) as unknown as Mergeable;
      case 'aggregating':
        return this.getAggregatingState(descriptor) as unknown as Mergeable;
    }
  }

  #enter<S extends Namespaced>(name: string, kind: StateDescriptor['kind'], make: (fullName: string) => S): S {
    let known = this.#states.get(name);
    if (known === undefined) {
      known = { kind, state: make(this.#prefix + name) };
      this.#states.set(name, known);
    } else if (known.kind !== kind) {
      throw new MillraceError(
        'MILLRACE_STATE_CONFLICT',
        `state "${name}" is ${known.kind} and is asked for as ${kind}`,
      );
    }
    const state = known.state as S;
    state.setCurrentNamespace(this.namespace);
    return state;
  }
}
