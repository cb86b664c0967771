import type { OutputTag } from '../api/process-function.js';
import { NO_TIMESTAMP } from '../api/timer-service.js';
import type { Output, WatermarkStatus } from '../operators/operator.js';

/**
 * What an operator has emitted, told apart by `kind`, with the subtask that it came from. Timestamps are in milliseconds, and
 * `undefined` for a record that has none.
 *
 * @public
 */
export type HarnessElement<Out> =
  | { readonly kind: 'record'; readonly value: Out; readonly timestamp: number | undefined; readonly subtask: number }
  | {
      readonly kind: 'side';
      readonly tag: string;
      readonly value: unknown;
      readonly timestamp: number | undefined;
      readonly subtask: number;
    }
  | { readonly kind: 'watermark'; readonly timestamp: number; readonly subtask: number }
  | { readonly kind: 'status'; readonly status: WatermarkStatus; readonly subtask: number };

/** Turns what one subtask emits into elements. */
export class HarnessOutput<Out> implements Output<Out> {
  readonly #subtask: number;
  readonly #receive: (element: HarnessElement<Out>) => void;

  constructor(subtask: number, receive: (element: HarnessElement<Out>) => void) {
    this.#subtask = subtask;
    this.#receive = receive;
  }

  collect(value: Out, timestamp: number): void {
    this.#receive({ kind: 'record', value, timestamp: timestampOrNone(timestamp), subtask: this.#subtask });
  }

  collectSide<S>(tag: OutputTag<S>, value: S, timestamp: number): void {
    const at = timestampOrNone(timestamp);
    this.#receive({ kind: 'side', tag: tag.id, value, timestamp: at, subtask: this.#subtask });
  }

  emitWatermark(timestamp: number): void {
    this.#receive({ kind: 'watermark', timestamp, subtask: this.#subtask });
  }

  emitStatus(status: WatermarkStatus): void {
    this.#receive({ kind: 'status', status, subtask: this.#subtask });
  }
}

function timestampOrNone(timestamp: number): number | undefined {
  return timestamp === NO_TIMESTAMP ? undefined : timestamp;
}
