import type { WorkerEvent } from '../protocol/control-message.js';
import type { TraceSpan } from '../protocol/trace-span.js';

/** Spans are handed to main at most this often, in milliseconds. */
const REPORT_INTERVAL_MS = 100;
/** Spans kept between two reports; further ones are counted and dropped. */
const SPANS_MAX = 4096;

/**
 * Spans of traced requests on their way to main: gathered here, and sent in one message at most ten times a second. A worker
 * without traced requests sends nothing.
 *
 * Thread: its worker. {@link send} is called once per turn of the loop, and costs a comparison when there is nothing.
 */
export class SpanReport {
  readonly #worker: number;
  readonly #post: (event: WorkerEvent) => void;
  #spans: TraceSpan[] = [];
  #droppedCount = 0;
  #sentAtMs = -Infinity;

  constructor(worker: number, post: (event: WorkerEvent) => void) {
    this.#worker = worker;
    this.#post = post;
  }

  add(span: TraceSpan): void {
    if (this.#spans.length < SPANS_MAX) this.#spans.push(span);
    else this.#droppedCount++;
  }

  /** In how many milliseconds the next report is due; `Infinity` when there is nothing to report. */
  dueInMs(nowMs: number): number {
    return this.#spans.length === 0 ? Infinity : this.#sentAtMs + REPORT_INTERVAL_MS - nowMs;
  }

  send(nowMs: number): void {
    if (this.#spans.length === 0 || this.dueInMs(nowMs) > 0) return;
    this.#post({ kind: 'spans', worker: this.#worker, spans: this.#spans, droppedCount: this.#droppedCount });
    this.#spans = [];
    this.#droppedCount = 0;
    this.#sentAtMs = nowMs;
  }
}
