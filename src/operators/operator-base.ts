import type { CheckpointedFunction } from '../api/checkpointed-function.js';
import type { RichFunction } from '../api/functions.js';
import { NO_TIMESTAMP } from '../api/timer-service.js';
import { MillraceError, UserFunctionError } from '../base/errors.js';
import { FunctionOperatorState, isCheckpointed } from './checkpointed-state.js';
import type { OperatorContext, Output, WatermarkStatus } from './operator.js';

/**
 * What all operators share: the context, the watermark, and how a failure of the author's code gets the operator's name.
 *
 * Each call of an author's function stands in a `try` of its operator, so that the innermost operator names itself; an
 * error that already carries a code passes through every operator above it unchanged. V8 keeps handlers in a side table:
 * a `try` costs nothing until something is thrown (docs/decisions/0050-errors-named-by-operators.md).
 */
export abstract class OperatorBase<Out> {
  protected output: Output<Out> = closedOutput;
  protected currentWatermark = NO_TIMESTAMP;
  #context: OperatorContext<Out> | null = null;
  readonly #functions: RichFunction[] = [];
  #checkpointed: { readonly fn: CheckpointedFunction; readonly state: FunctionOperatorState } | null = null;

  /** The context; only from `open` on. */
  protected get context(): OperatorContext<Out> {
    if (this.#context === null)
      throw new MillraceError('MILLRACE_INVARIANT_VIOLATED', 'an operator is used before open');
    return this.#context;
  }

  open(context: OperatorContext<Out>): void {
    this.#context = context;
    this.output = context.output;
  }

  processWatermark(timestamp: number): void {
    this.currentWatermark = timestamp;
    this.output.emitWatermark(timestamp);
  }

  processStatus(status: WatermarkStatus): void {
    this.output.emitStatus(status);
  }

  /** Closes the author's functions, the last opened first. May be called twice, and without `open`. */
  close(): void {
    for (let fn = this.#functions.pop(); fn !== undefined; fn = this.#functions.pop()) this.#closeFunction(fn);
  }

  /** Opens an author's function and remembers to close it. A plain function has no life and is left alone. */
  protected openFunction(fn: unknown): void {
    if (!isRichFunction(fn)) return;
    this.#functions.push(fn);
    try {
      fn.setRuntimeContext?.(this.context.runtime);
      if (isCheckpointed(fn)) this.#initialiseState(fn);
      fn.open?.(this.context.runtime);
    } catch (error) {
      throw this.failure(error, 'open');
    }
  }

  snapshotOperatorState(): Readonly<Record<string, readonly unknown[]>> {
    const checkpointed = this.#checkpointed;
    if (checkpointed === null) return noLists;
    try {
      checkpointed.fn.snapshotState();
    } catch (error) {
      throw this.failure(error, 'snapshotState');
    }
    return checkpointed.state.snapshot();
  }

  notifyCheckpointComplete(checkpointId: number): void {
    try {
      this.#checkpointed?.fn.notifyCheckpointComplete?.(checkpointId);
    } catch (error) {
      throw this.failure(error, 'notifyCheckpointComplete');
    }
  }

  /** What to throw instead of an error that came out of the author's code. */
  protected failure(error: unknown, method: string): unknown {
    if (MillraceError.is(error)) return error;
    const { operatorId, runtime, keyedState } = this.context;
    const { taskName, indexOfThisSubtask } = runtime.taskInfo;
    const details: Record<string, unknown> = {
      operator: operatorId,
      name: taskName,
      subtask: indexOfThisSubtask,
      method,
    };
    if (keyedState !== null && method !== 'open' && method !== 'close')
      details['key'] = currentKeyOrNothing(keyedState);
    return new UserFunctionError(`${method} of operator "${taskName}" failed: ${messageOf(error)}`, {
      details,
      cause: error,
    });
  }

  /** Adds the operator's name to an error that has a code already, such as a record without a timestamp. */
  protected named(error: unknown, method: string): unknown {
    if (!MillraceError.is(error)) return this.failure(error, method);
    const { operatorId, runtime } = this.context;
    return new MillraceError(error.code, `${error.message}, in operator "${runtime.taskInfo.taskName}"`, {
      details: { ...error.details, operator: operatorId, name: runtime.taskInfo.taskName },
      ...(error.hint === null ? {} : { hint: error.hint }),
      cause: error,
    });
  }

  #initialiseState(fn: CheckpointedFunction): void {
    const state = new FunctionOperatorState(this.context.operatorState);
    fn.initializeState(state);
    this.#checkpointed = { fn, state };
  }

  #closeFunction(fn: RichFunction): void {
    try {
      fn.close?.();
    } catch (error) {
      throw this.failure(error, 'close');
    }
  }
}

function isRichFunction(fn: unknown): fn is RichFunction {
  return typeof fn === 'object' && fn !== null;
}

function currentKeyOrNothing(keyedState: { getCurrentKey(): unknown }): unknown {
  try {
    return keyedState.getCurrentKey();
  } catch {
    // There is no current key: the failure happened outside of any record.
    return undefined;
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

const noLists: Readonly<Record<string, readonly unknown[]>> = {};

/** Stands in before `open`: emitting then is a defect. */
const closedOutput: Output<unknown> = {
  collect: refuse,
  collectSide: refuse,
  emitWatermark: refuse,
  emitStatus: refuse,
};

function refuse(): never {
  throw new MillraceError('MILLRACE_INVARIANT_VIOLATED', 'an operator emits before open');
}
