import type { Evictor, EvictorContext } from '../../api/evictors.js';
import type { InternalListState, KeyedStateBackend, Namespace } from '../../api/internal/state-backend.js';
import { listState } from '../../api/keyed-state.js';
import type { Window } from '../../api/windows.js';
import type { StoredElement, WindowAggregation, WindowContents } from './window-contents.js';
import { WindowOperator } from './window-operator.js';
import type { WindowOperatorOptions } from './window-operator.js';

/**
 * A window operator that takes records out of a window when it fires. It keeps every record of a window; a reduce or
 * aggregate runs at the firing over those that are left. As Flink's `EvictingWindowOperator`: the function is called even
 * when the evictor has left nothing, a reduce then gives `null`.
 */
export class EvictingWindowOperator<In, Out, W extends Window>
  extends WindowOperator<In, Out, W>
  implements EvictorContext
{
  readonly #evictor: Evictor<In, W>;
  #stored: InternalListState<StoredElement<In>> | null = null;

  constructor(options: WindowOperatorOptions<In, Out, W>, evictor: Evictor<In, W>) {
    super(options);
    this.#evictor = evictor;
  }

  getCurrentProcessingTime(): number {
    return this.currentProcessingTime();
  }

  getCurrentWatermark(): number {
    return this.timers.currentWatermark();
  }

  protected override createContents(): WindowContents<In> {
    const contents = new StoredContents<In>(this.keyedState);
    this.#stored = contents.state;
    return contents;
  }

  protected override emitContents(window: W): void {
    const state = this.#stored as InternalListState<StoredElement<In>>;
    const stored = state.get();
    if (stored.length === 0) return;
    const before = this.#evict(() => this.#evictor.evictBefore(stored, window, this));
    this.callFunction(window, this.#elementsOf(before.map((element) => element.value)));
    const after = this.#evict(() => this.#evictor.evictAfter(before, window, this));
    if (after.length < stored.length) state.update(after);
  }

  #evict(evict: () => readonly StoredElement<In>[]): readonly StoredElement<In>[] {
    try {
      return evict();
    } catch (error) {
      throw this.failure(error, 'evictor');
    }
  }

  #elementsOf(values: readonly In[]): readonly unknown[] {
    try {
      return aggregateAll(values, this.options.aggregation);
    } catch (error) {
      throw this.failure(error, 'aggregate');
    }
  }
}

function aggregateAll<In>(values: readonly In[], aggregation: WindowAggregation<In>): readonly unknown[] {
  if (aggregation === null) return values;
  if (aggregation.kind === 'reduce') {
    if (values.length === 0) return [null];
    return [values.reduce((reduced, value) => aggregation.reduce(reduced, value))];
  }
  let accumulator = aggregation.aggregate.createAccumulator();
  for (const value of values) accumulator = aggregation.aggregate.add(value, accumulator);
  return [aggregation.aggregate.getResult(accumulator)];
}

class StoredContents<In> implements WindowContents<In> {
  readonly state: InternalListState<StoredElement<In>>;

  constructor(keyedState: KeyedStateBackend) {
    this.state = keyedState.listState(listState<StoredElement<In>>('window-contents'));
  }

  enter(namespace: Namespace): void {
    this.state.setCurrentNamespace(namespace);
  }

  add(value: In, timestamp: number): boolean {
    return this.state.append({ value, timestamp });
  }

  read(): readonly unknown[] | undefined {
    const stored = this.state.get();
    return stored.length === 0 ? undefined : stored;
  }

  clear(): void {
    this.state.clear();
  }

  merge(target: Namespace, sources: readonly Namespace[]): void {
    this.state.mergeNamespaces(target, sources);
  }
}
