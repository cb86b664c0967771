import { type MillraceError, toWire } from '../base/errors.js';
import type { WorkerEvent } from '../protocol/control-message.js';

/** Reports of skipped records are sent at most this often, in milliseconds. */
const REPORT_INTERVAL_MS = 1000;

/** Tells main of skipped records: the first at once, then a count at most once a second, so that a flood stays quiet. */
export class SkipReport {
  readonly #worker: number;
  readonly #post: (event: WorkerEvent) => void;
  #count = 0;
  #lastError: MillraceError | null = null;
  #sentAtMs = -Infinity;

  constructor(worker: number, post: (event: WorkerEvent) => void) {
    this.#worker = worker;
    this.#post = post;
  }

  add(error: MillraceError): void {
    this.#count++;
    this.#lastError = error;
  }

  /** Sends what has gathered, if it is time. Called once per turn of the worker's loop. */
  send(nowMs: number): void {
    if (this.#lastError === null || nowMs - this.#sentAtMs < REPORT_INTERVAL_MS) return;
    this.#post({ kind: 'record-skipped', worker: this.#worker, count: this.#count, cause: toWire(this.#lastError) });
    this.#count = 0;
    this.#lastError = null;
    this.#sentAtMs = nowMs;
  }
}
