import type { Clock } from '../base/clock.js';
import { toWire } from '../base/errors.js';
import type { ExceptionEntry, ExceptionsStatus } from './job-admin.js';

/** Exceptions that are remembered. Flink's default is 16. */
const ENTRIES_MAX = 64;
const CAUSES_MAX = 8;

/** The last exceptions of a job. Thread: main. */
export class ExceptionHistory {
  readonly #clock: Clock;
  readonly #entries: ExceptionEntry[] = [];
  #isTruncated = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  status(): ExceptionsStatus {
    return { entries: this.#entries.toReversed(), isTruncated: this.#isTruncated };
  }

  /** Remembers an exception that ended the job, or restarted it. */
  failed(error: Error): void {
    this.#add(error, { kind: 'failure', worker: null, count: 1 });
  }

  /** Remembers records that were skipped. */
  skipped(error: Error, { worker, count }: { readonly worker: number; readonly count: number }): void {
    this.#add(error, { kind: 'skipped', worker, count });
  }

  #add(error: Error, facts: Pick<ExceptionEntry, 'kind' | 'worker' | 'count'>): void {
    const { name, code, message, details, hint } = toWire(error);
    this.#entries.push({
      timestamp: this.#clock.now(),
      name,
      code,
      message,
      stack: stackOf(error),
      details: details ?? {},
      hint,
      ...facts,
    });
    if (this.#entries.length <= ENTRIES_MAX) return;
    this.#entries.shift();
    this.#isTruncated = true;
  }
}

/** The stacks of an error and of its causes: the author's own line is in the last of them. */
function stackOf(error: Error): string {
  const stacks: string[] = [];
  for (let cause: unknown = error; cause instanceof Error && stacks.length < CAUSES_MAX; cause = cause.cause) {
    stacks.push(cause.stack ?? `${cause.name}: ${cause.message}`);
  }
  return stacks.join('\ncaused by: ');
}
