import type { OutputTag } from '../api/process-function.js';
import { MAX_WATERMARK } from '../api/timer-service.js';
import type { Output, WatermarkStatus } from '../operators/operator.js';
import type { WatermarkValve } from '../workers/watermark-valve.js';
import type { HarnessSubtask } from './harness-subtask.js';

/** One edge as seen from one subtask of its source. */
export interface OutputRoute {
  readonly sideTag: string | null;
  readonly input: 1 | 2;
  /** Which channel of the targets' valves this subtask is. */
  readonly channel: number;
  readonly targets: readonly { readonly subtask: HarnessSubtask<unknown>; readonly valve: WatermarkValve }[];
  /** Place of the target of a record; -1 for all. */
  readonly choose: (value: unknown) => number;
}

/** The output of one subtask in a job driver: calls the targets directly. */
export class JobOutput implements Output<unknown> {
  readonly #routes: readonly OutputRoute[];

  constructor(routes: readonly OutputRoute[]) {
    this.#routes = routes;
  }

  collect(value: unknown, timestamp: number): void {
    this.#send(null, value, timestamp);
  }

  collectSide<S>(tag: OutputTag<S>, value: S, timestamp: number): void {
    this.#send(tag.id, value, timestamp);
  }

  emitWatermark(timestamp: number): void {
    for (const { targets, channel } of this.#routes) {
      for (const { valve } of targets) {
        // The end of the input is said as such: a channel that has ended must not push the others' event time.
        if (timestamp === MAX_WATERMARK) valve.inputFinished(channel);
        else valve.inputWatermark(channel, timestamp);
      }
    }
  }

  emitStatus(status: WatermarkStatus): void {
    for (const { targets, channel } of this.#routes) {
      for (const { valve } of targets) valve.inputStatus(channel, status);
    }
  }

  #send(sideTag: string | null, value: unknown, timestamp: number): void {
    for (const route of this.#routes) {
      if (route.sideTag !== sideTag) continue;
      const chosen = route.choose(value);
      const targets = chosen < 0 ? route.targets : route.targets.slice(chosen, chosen + 1);
      for (const { subtask } of targets) deliver(subtask, route.input, value, timestamp);
    }
  }
}

function deliver(subtask: HarnessSubtask<unknown>, input: 1 | 2, value: unknown, timestamp: number): void {
  if ('processElement' in subtask.operator) subtask.oneInput().processElement(value, timestamp);
  else if (input === 1) subtask.twoInputs().processElement1(value, timestamp);
  else subtask.twoInputs().processElement2(value, timestamp);
}
