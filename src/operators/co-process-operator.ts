import type { CoFlatMapFunction, CoMapFunction, CoProcessFunction } from '../api/co-functions.js';
import { NO_TIMESTAMP } from '../api/timer-service.js';
import type { OperatorContext } from './operator.js';
import { KeylessTimerService, OperatorProcessContext } from './process-context.js';
import { TimestampedCollector } from './timestamped-collector.js';
import { TwoInputOperatorBase } from './two-input-operator-base.js';

/** Runs a `CoProcessFunction`: two inputs, no key. */
export class CoProcessOperator<In1, In2, Out> extends TwoInputOperatorBase<In1, In2, Out> {
  readonly #fn: CoProcessFunction<In1, In2, Out>;
  #timers: KeylessTimerService | null = null;
  #functionContext: OperatorProcessContext<Out> | null = null;

  constructor(fn: CoProcessFunction<In1, In2, Out>) {
    super();
    this.#fn = fn;
  }

  override open(context: OperatorContext<Out>): void {
    super.open(context);
    this.#timers = new KeylessTimerService(context);
    this.#functionContext = new OperatorProcessContext(context, this.#timers);
    this.openFunction(this.#fn);
  }

  processElement1(value: In1, timestamp: number): void {
    const functionContext = this.#enter(timestamp);
    try {
      this.#fn.processElement1(value, functionContext, functionContext);
    } catch (error) {
      throw this.failure(error, 'processElement1');
    }
  }

  processElement2(value: In2, timestamp: number): void {
    const functionContext = this.#enter(timestamp);
    try {
      this.#fn.processElement2(value, functionContext, functionContext);
    } catch (error) {
      throw this.failure(error, 'processElement2');
    }
  }

  override processWatermark(timestamp: number): void {
    if (this.#timers !== null) this.#timers.watermark = timestamp;
    super.processWatermark(timestamp);
  }

  #enter(timestamp: number): OperatorProcessContext<Out> {
    const functionContext = this.#functionContext as OperatorProcessContext<Out>;
    functionContext.enterRecord(timestamp);
    return functionContext;
  }
}

/** One result per record of either input. */
export class CoMapOperator<In1, In2, Out> extends TwoInputOperatorBase<In1, In2, Out> {
  readonly #fn: CoMapFunction<In1, In2, Out>;

  constructor(fn: CoMapFunction<In1, In2, Out>) {
    super();
    this.#fn = fn;
  }

  override open(context: OperatorContext<Out>): void {
    super.open(context);
    this.openFunction(this.#fn);
  }

  processElement1(value: In1, timestamp: number): void {
    let result: Out;
    try {
      result = this.#fn.map1(value);
    } catch (error) {
      throw this.failure(error, 'map1');
    }
    this.output.collect(result, timestamp);
  }

  processElement2(value: In2, timestamp: number): void {
    let result: Out;
    try {
      result = this.#fn.map2(value);
    } catch (error) {
      throw this.failure(error, 'map2');
    }
    this.output.collect(result, timestamp);
  }
}

/** Any number of results per record of either input. */
export class CoFlatMapOperator<In1, In2, Out> extends TwoInputOperatorBase<In1, In2, Out> {
  readonly #fn: CoFlatMapFunction<In1, In2, Out>;
  #collector: TimestampedCollector<Out>;

  constructor(fn: CoFlatMapFunction<In1, In2, Out>) {
    super();
    this.#fn = fn;
    this.#collector = new TimestampedCollector<Out>(this.output, NO_TIMESTAMP);
  }

  override open(context: OperatorContext<Out>): void {
    super.open(context);
    this.#collector = new TimestampedCollector(context.output, NO_TIMESTAMP);
    this.openFunction(this.#fn);
  }

  processElement1(value: In1, timestamp: number): void {
    this.#collector.timestamp = timestamp;
    try {
      this.#fn.flatMap1(value, this.#collector);
    } catch (error) {
      throw this.failure(error, 'flatMap1');
    }
  }

  processElement2(value: In2, timestamp: number): void {
    this.#collector.timestamp = timestamp;
    try {
      this.#fn.flatMap2(value, this.#collector);
    } catch (error) {
      throw this.failure(error, 'flatMap2');
    }
  }
}
