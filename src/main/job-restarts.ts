import type { MonotonicClock } from '../base/clock.js';
import { MillraceError } from '../base/errors.js';
import type { Logger } from '../base/log.js';
import type { RestartStrategy } from './restart-strategy.js';

export interface JobRestartsOptions {
  readonly strategy: RestartStrategy;
  readonly clock: MonotonicClock;
  readonly logger: Logger;
  /** Puts a new attempt in the place of the failed one. Its failure is reported by {@link JobRestarts.onFailure}. */
  readonly restart: () => Promise<void>;
}

/** Starts a job again after its failures, as its strategy says. Thread: main. */
export class JobRestarts {
  readonly #options: JobRestartsOptions;
  #timer: NodeJS.Timeout | null = null;
  /** Attempts that ran in the place of a failed one (numRestarts). */
  numRestarts = 0;

  constructor(options: JobRestartsOptions) {
    this.#options = options;
  }

  /** @returns whether the job is started again; if not, it has failed for good */
  onFailure(cause: Error): boolean {
    if (this.#timer !== null) clearTimeout(this.#timer);
    const delayMs = isWorthARestart(cause) ? this.#options.strategy.onFailure(this.#options.clock.nowMs()) : null;
    if (delayMs === null) return false;
    this.#options.logger.warn({ err: cause, delayMs: Math.round(delayMs) }, 'the job has failed and is restarted');
    this.#timer = setTimeout(() => {
      this.#options.restart().then(
        () => this.numRestarts++,
        // Has been a failure of the job, and led here again.
        () => undefined,
      );
    }, delayMs);
    return true;
  }

  /** No restart follows any more. */
  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }
}

/** What a person has to mend stays as it is however often the job starts. */
function isWorthARestart(cause: Error): boolean {
  return !MillraceError.is(cause) || (cause.recovery !== 'fail' && cause.recovery !== 'crash');
}
