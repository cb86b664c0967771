import type { SinkContext, SinkFunction } from '../api/sink-function.js';
import { NO_TIMESTAMP } from '../api/timer-service.js';
import type { OperatorContext, StreamOperator } from './operator.js';
import { OperatorBase } from './operator-base.js';

/** Ends a stream in the author's own code. */
export class SinkOperator<In> extends OperatorBase<never> implements StreamOperator<In, never>, SinkContext {
  readonly #fn: SinkFunction<In>;
  readonly #call: (value: In, context: SinkContext) => void;
  #recordTimestamp = NO_TIMESTAMP;

  constructor(fn: SinkFunction<In>) {
    super();
    this.#fn = fn;
    this.#call = typeof fn === 'function' ? fn : (value, context) => fn.invoke(value, context);
  }

  override open(context: OperatorContext<never>): void {
    super.open(context);
    this.openFunction(this.#fn);
  }

  processElement(value: In, timestamp: number): void {
    this.#recordTimestamp = timestamp;
    try {
      this.#call(value, this);
    } catch (error) {
      throw this.failure(error, 'invoke');
    }
  }

  finish(): void {
    if (typeof this.#fn === 'function') return;
    try {
      this.#fn.finish?.();
    } catch (error) {
      throw this.failure(error, 'finish');
    }
  }

  timestamp(): number | undefined {
    return this.#recordTimestamp === NO_TIMESTAMP ? undefined : this.#recordTimestamp;
  }

  now(): number {
    return this.context.scope.originTime;
  }
}

/** Writes each value as a line: strings as they are, everything else as JSON. */
export class PrintOperator<In> extends OperatorBase<never> implements StreamOperator<In, never> {
  readonly #prefix: string;
  readonly #write: (line: string) => void;

  /** @param write takes a line with its line end; standard output in a worker, an array in a test. */
  constructor(label: string | null, write: (line: string) => void) {
    super();
    this.#prefix = label === null ? '' : `${label}> `;
    this.#write = write;
  }

  processElement(value: In): void {
    const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? String(value));
    this.#write(`${this.#prefix}${text}\n`);
  }
}
