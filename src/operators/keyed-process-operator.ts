import type { KeySelector } from '../api/functions.js';
import type { Namespace } from '../api/internal/state-backend.js';
import type { KeyedProcessFunction } from '../api/process-function.js';
import type { TimeDomain } from '../api/timer-service.js';
import { KeyedOperatorBase } from './keyed-operator-base.js';
import type { OperatorContext } from './operator.js';
import { KeyedOperatorProcessContext } from './process-context.js';
import { InternalTimerService } from './timer-service.js';
import type { TimerTarget } from './timer-service.js';

/** Runs a `KeyedProcessFunction`: state and timers of the record's key. */
export class KeyedProcessOperator<K, In, Out> extends KeyedOperatorBase<In, Out> implements TimerTarget {
  readonly #fn: KeyedProcessFunction<K, In, Out>;
  #timers: InternalTimerService | null = null;
  #functionContext: KeyedOperatorProcessContext<K, Out> | null = null;

  constructor(fn: KeyedProcessFunction<K, In, Out>, key: KeySelector<In, K>) {
    super(key);
    this.#fn = fn;
  }

  override open(context: OperatorContext<Out>): void {
    super.open(context);
    this.#timers = new InternalTimerService(context, 'user-timers', this);
    this.#functionContext = new KeyedOperatorProcessContext<K, Out>(context, this.#timers.asTimerService());
    this.openFunction(this.#fn);
  }

  processElement(value: In, timestamp: number): void {
    const functionContext = this.#functionContext as KeyedOperatorProcessContext<K, Out>;
    this.enterKey(value);
    functionContext.enterRecord(timestamp);
    try {
      this.#fn.processElement(value, functionContext, functionContext);
    } catch (error) {
      throw this.failure(error, 'processElement');
    }
  }

  override processWatermark(timestamp: number): void {
    this.#timers?.advanceWatermark(timestamp);
    super.processWatermark(timestamp);
  }

  onTimer(timestamp: number, _namespace: Namespace, domain: TimeDomain): void {
    const functionContext = this.#functionContext as KeyedOperatorProcessContext<K, Out>;
    functionContext.enterTimer(timestamp, domain);
    try {
      this.#fn.onTimer?.(timestamp, functionContext, functionContext);
    } catch (error) {
      throw this.failure(error, 'onTimer');
    }
  }
}
