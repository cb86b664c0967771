import type { KeyedCoProcessFunction } from '../api/co-functions.js';
import type { KeySelector } from '../api/functions.js';
import type { Namespace } from '../api/internal/state-backend.js';
import type { TimeDomain } from '../api/timer-service.js';
import type { OperatorContext } from './operator.js';
import { KeyedOperatorProcessContext } from './process-context.js';
import { InternalTimerService } from './timer-service.js';
import type { TimerTarget } from './timer-service.js';
import { TwoInputOperatorBase } from './two-input-operator-base.js';

/** Runs a `KeyedCoProcessFunction`: both inputs share the state and timers of a key. */
export class KeyedCoProcessOperator<K, In1, In2, Out>
  extends TwoInputOperatorBase<In1, In2, Out>
  implements TimerTarget
{
  readonly #fn: KeyedCoProcessFunction<K, In1, In2, Out>;
  readonly #key1: KeySelector<In1, K>;
  readonly #key2: KeySelector<In2, K>;
  #timers: InternalTimerService | null = null;
  #functionContext: KeyedOperatorProcessContext<K, Out> | null = null;

  constructor(fn: KeyedCoProcessFunction<K, In1, In2, Out>, key1: KeySelector<In1, K>, key2: KeySelector<In2, K>) {
    super();
    this.#fn = fn;
    this.#key1 = key1;
    this.#key2 = key2;
  }

  override open(context: OperatorContext<Out>): void {
    super.open(context);
    this.#timers = new InternalTimerService(context, 'user-timers', this);
    this.#functionContext = new KeyedOperatorProcessContext<K, Out>(context, this.#timers.asTimerService());
    this.openFunction(this.#fn);
  }

  processElement1(value: In1, timestamp: number): void {
    this.enterKey(this.#key1, value);
    const functionContext = this.#enter(timestamp);
    try {
      this.#fn.processElement1(value, functionContext, functionContext);
    } catch (error) {
      throw this.failure(error, 'processElement1');
    }
  }

  processElement2(value: In2, timestamp: number): void {
    this.enterKey(this.#key2, value);
    const functionContext = this.#enter(timestamp);
    try {
      this.#fn.processElement2(value, functionContext, functionContext);
    } catch (error) {
      throw this.failure(error, 'processElement2');
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

  #enter(timestamp: number): KeyedOperatorProcessContext<K, Out> {
    const functionContext = this.#functionContext as KeyedOperatorProcessContext<K, Out>;
    functionContext.enterRecord(timestamp);
    return functionContext;
  }
}
