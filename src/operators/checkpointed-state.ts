import type {
  CheckpointedFunction,
  FunctionInitializationContext,
  OperatorListState,
} from '../api/checkpointed-function.js';
import type { OperatorStateStore } from '../api/internal/state-backend.js';
import { MillraceError } from '../base/errors.js';

/** Whether a function keeps operator state of its own. */
export function isCheckpointed(fn: object): fn is CheckpointedFunction {
  return 'initializeState' in fn && 'snapshotState' in fn;
}

/**
 * The operator state of one author's function. Lists are named `list/…` and `union/…` in the snapshot, so that a restore
 * knows which to deal out and which to give to all.
 */
export class FunctionOperatorState implements FunctionInitializationContext {
  readonly #stored: OperatorStateStore;
  readonly #isRestored: boolean;
  readonly #lists = new Map<string, MemoryListState>();

  constructor(stored: OperatorStateStore) {
    this.#stored = stored;
    this.#isRestored = stored.restored(MARKER) !== undefined || stored.restoredUnion?.(MARKER) !== undefined;
  }

  isRestored(): boolean {
    return this.#isRestored;
  }

  getListState<T>(name: string): OperatorListState<T> {
    return this.#list(`list/${name}`, (stored) => this.#stored.restored(stored)) as OperatorListState<T>;
  }

  getUnionListState<T>(name: string): OperatorListState<T> {
    const read = (stored: string): readonly unknown[] | undefined =>
      this.#stored.restoredUnion?.(stored) ?? this.#stored.restored(stored);
    return this.#list(`union/${name}`, read) as OperatorListState<T>;
  }

  snapshot(): Readonly<Record<string, readonly unknown[]>> {
    const lists: Record<string, readonly unknown[]> = { [MARKER]: [true] };
    for (const [name, list] of this.#lists) lists[name] = [...list.get()];
    return lists;
  }

  #list(name: string, read: (name: string) => readonly unknown[] | undefined): MemoryListState {
    if (this.#lists.has(name)) {
      throw new MillraceError('MILLRACE_STATE_CONFLICT', `operator state "${name}" is asked for twice`);
    }
    const list = new MemoryListState(read(name) ?? []);
    this.#lists.set(name, list);
    return list;
  }
}

/** Present in every snapshot of such a function, so that an empty list is told from no snapshot. */
const MARKER = 'function-state';

class MemoryListState implements OperatorListState<unknown> {
  #values: readonly unknown[];

  constructor(values: readonly unknown[]) {
    this.#values = values;
  }

  get(): readonly unknown[] {
    return this.#values;
  }

  add(value: unknown): void {
    this.#values = [...this.#values, value];
  }

  update(values: readonly unknown[]): void {
    this.#values = [...values];
  }

  clear(): void {
    this.#values = [];
  }
}
