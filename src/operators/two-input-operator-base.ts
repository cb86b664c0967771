import type { KeySelector } from '../api/functions.js';
import { withoutKey } from '../api/internal/key-bytes.js';
import { CombinedWatermark } from './combined-watermark.js';
import { MillraceError } from '../base/errors.js';
import { OperatorBase } from './operator-base.js';
import type { TwoInputStreamOperator, WatermarkStatus } from './operator.js';

/** What operators with two inputs share: one watermark and one status of two. */
export abstract class TwoInputOperatorBase<In1, In2, Out>
  extends OperatorBase<Out>
  implements TwoInputStreamOperator<In1, In2, Out>
{
  readonly #combined = new CombinedWatermark();

  abstract processElement1(value: In1, timestamp: number): void;
  abstract processElement2(value: In2, timestamp: number): void;

  processWatermark1(timestamp: number): void {
    if (this.#combined.updateWatermark(0, timestamp)) this.processWatermark(this.#combined.combined);
  }

  processWatermark2(timestamp: number): void {
    if (this.#combined.updateWatermark(1, timestamp)) this.processWatermark(this.#combined.combined);
  }

  processStatus1(status: WatermarkStatus): void {
    this.#processInputStatus(0, status);
  }

  processStatus2(status: WatermarkStatus): void {
    this.#processInputStatus(1, status);
  }

  #processInputStatus(inputIndex: number, status: WatermarkStatus): void {
    const wasIdle = this.#combined.allIdle;
    const hasAdvanced = this.#combined.updateStatus(inputIndex, status === 'IDLE');
    if (hasAdvanced) this.processWatermark(this.#combined.combined);
    if (wasIdle !== this.#combined.allIdle) this.processStatus(status);
  }

  /** Makes the key of a record the current one. */
  protected enterKey<T>(selector: KeySelector<T, unknown>, value: T): void {
    const { keyedState } = this.context;
    if (keyedState === null) {
      throw new MillraceError('MILLRACE_INVARIANT_VIOLATED', 'a keyed operator is opened without keyed state');
    }
    let key: unknown;
    try {
      key = selector(value);
    } catch (error) {
      throw this.failure(error, 'keyBy');
    }
    if (key === undefined || key === null) throw this.named(withoutKey(key), 'keyBy');
    keyedState.setCurrentKey(key);
  }
}
