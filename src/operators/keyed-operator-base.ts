import type { KeySelector } from '../api/functions.js';
import { withoutKey } from '../api/internal/key-bytes.js';
import type { KeyedStateBackend } from '../api/internal/state-backend.js';
import { MillraceError } from '../base/errors.js';
import type { OperatorContext, StreamOperator } from './operator.js';
import { OperatorBase } from './operator-base.js';

/** What operators with one keyed input share: the key of each record becomes the current key of their state. */
export abstract class KeyedOperatorBase<In, Out> extends OperatorBase<Out> implements StreamOperator<In, Out> {
  readonly #key: KeySelector<In, unknown>;
  #keyedState: KeyedStateBackend | null = null;

  constructor(key: KeySelector<In, unknown>) {
    super();
    this.#key = key;
  }

  override open(context: OperatorContext<Out>): void {
    super.open(context);
    if (context.keyedState === null) {
      throw new MillraceError('MILLRACE_INVARIANT_VIOLATED', 'a keyed operator is opened without keyed state');
    }
    this.#keyedState = context.keyedState;
  }

  protected get keyedState(): KeyedStateBackend {
    return this.#keyedState as KeyedStateBackend;
  }

  abstract processElement(value: In, timestamp: number): void;

  /** To be called first for each record. */
  protected enterKey(value: In): void {
    let key: unknown;
    try {
      key = this.#key(value);
    } catch (error) {
      throw this.failure(error, 'keyBy');
    }
    if (key === undefined || key === null) throw this.named(withoutKey(key), 'keyBy');
    this.keyedState.setCurrentKey(key);
  }
}
