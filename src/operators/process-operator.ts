import type { ProcessFunction } from '../api/process-function.js';
import type { OperatorContext, StreamOperator } from './operator.js';
import { OperatorBase } from './operator-base.js';
import { KeylessTimerService, OperatorProcessContext } from './process-context.js';

/** Runs a `ProcessFunction`: any number of results and side outputs per record, no key. */
export class ProcessOperator<In, Out> extends OperatorBase<Out> implements StreamOperator<In, Out> {
  readonly #fn: ProcessFunction<In, Out>;
  #timers: KeylessTimerService | null = null;
  #functionContext: OperatorProcessContext<Out> | null = null;

  constructor(fn: ProcessFunction<In, Out>) {
    super();
    this.#fn = fn;
  }

  override open(context: OperatorContext<Out>): void {
    super.open(context);
    this.#timers = new KeylessTimerService(context);
    this.#functionContext = new OperatorProcessContext(context, this.#timers);
    this.openFunction(this.#fn);
  }

  processElement(value: In, timestamp: number): void {
    const functionContext = this.#functionContext as OperatorProcessContext<Out>;
    functionContext.enterRecord(timestamp);
    try {
      this.#fn.processElement(value, functionContext, functionContext);
    } catch (error) {
      throw this.failure(error, 'processElement');
    }
  }

  override processWatermark(timestamp: number): void {
    if (this.#timers !== null) this.#timers.watermark = timestamp;
    super.processWatermark(timestamp);
  }
}
