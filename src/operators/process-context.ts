import type { Collector } from '../api/functions.js';
import type {
  OnTimerContext,
  OutputTag,
  ProcessContext,
  RequestHandle,
  ResponseOptions,
} from '../api/process-function.js';
import type { TimeDomain, TimerService } from '../api/timer-service.js';
import { NO_TIMESTAMP } from '../api/timer-service.js';
import { MillraceError } from '../base/errors.js';
import type { OperatorContext } from './operator.js';
import { hashKey, RecordChance } from './record-chance.js';

/**
 * The context that process functions see. One instance per operator, its fields set before each call: it is valid only
 * during the call, and costs no allocation per record.
 */
export class OperatorProcessContext<Out> implements ProcessContext, Collector<Out> {
  /** Timestamp of the record or timer in process: what the function is told, and what its side outputs carry. */
  recordTimestamp = NO_TIMESTAMP;
  /** What results carry. As in Flink, those of a processing-time timer have none. */
  resultTimestamp = NO_TIMESTAMP;
  protected readonly operator: OperatorContext<Out>;
  readonly #timers: TimerService;
  readonly #chance: RecordChance;

  constructor(operator: OperatorContext<Out>, timers: TimerService) {
    this.operator = operator;
    this.#timers = timers;
    this.#chance = new RecordChance(operator.scope, operator.runtime.taskInfo.jobName, operator.operatorId);
  }

  /** Before each call of the function. */
  enterRecord(timestamp: number): void {
    this.recordTimestamp = timestamp;
    this.resultTimestamp = timestamp;
  }

  collect(value: Out): void {
    this.operator.output.collect(value, this.resultTimestamp);
  }

  timestamp(): number | undefined {
    return this.recordTimestamp === NO_TIMESTAMP ? undefined : this.recordTimestamp;
  }

  timerService(): TimerService {
    return this.#timers;
  }

  output<T>(tag: OutputTag<T>, value: T): void {
    this.operator.output.collectSide(tag, value, this.recordTimestamp);
  }

  request(): RequestHandle | undefined {
    return this.operator.scope.request ?? undefined;
  }

  respondTo(handle: RequestHandle, value: unknown, options?: ResponseOptions): void {
    this.operator.responder.respond(handle, value, options?.status ?? 200);
  }

  now(): number {
    return this.operator.scope.originTime;
  }

  random(): number {
    return this.#chance.nextFloat(this.keyHash());
  }

  uuid(): string {
    return this.#chance.nextUuid(this.keyHash());
  }

  protected keyHash(): number {
    return 0;
  }
}

/** The same for functions with a key, in records and in timers. */
export class KeyedOperatorProcessContext<K, Out> extends OperatorProcessContext<Out> implements OnTimerContext<K> {
  /** The domain of the timer that fires. */
  domain: TimeDomain = 'EVENT_TIME';

  /** Before each call for a timer. */
  enterTimer(timestamp: number, domain: TimeDomain): void {
    this.domain = domain;
    this.recordTimestamp = timestamp;
    this.resultTimestamp = domain === 'EVENT_TIME' ? timestamp : NO_TIMESTAMP;
  }

  getCurrentKey(): K {
    return currentKeyOf(this.operator) as K;
  }

  timeDomain(): TimeDomain {
    return this.domain;
  }

  protected override keyHash(): number {
    return hashKey(currentKeyOf(this.operator));
  }
}

function currentKeyOf(operator: OperatorContext<never>): unknown {
  if (operator.keyedState === null) throw noKey(operator.operatorId);
  return operator.keyedState.getCurrentKey();
}

/** The timer API of a function without a key: it may read both clocks, and register nothing. */
export class KeylessTimerService implements TimerService {
  watermark = NO_TIMESTAMP;
  readonly #operator: OperatorContext<never>;

  constructor(operator: OperatorContext<never>) {
    this.#operator = operator;
  }

  currentProcessingTime(): number {
    return this.#operator.processingTime.now();
  }

  currentWatermark(): number {
    return this.watermark;
  }

  registerEventTimeTimer(): never {
    throw noKey(this.#operator.operatorId);
  }

  registerProcessingTimeTimer(): never {
    throw noKey(this.#operator.operatorId);
  }

  deleteEventTimeTimer(): never {
    throw noKey(this.#operator.operatorId);
  }

  deleteProcessingTimeTimer(): never {
    throw noKey(this.#operator.operatorId);
  }
}

function noKey(operatorId: string): MillraceError {
  return new MillraceError(
    'MILLRACE_STATE_NO_KEY',
    `operator "${operatorId}" uses a key or a timer without a keyed stream`,
    {
      hint: 'Use keyBy before the function.',
    },
  );
}
