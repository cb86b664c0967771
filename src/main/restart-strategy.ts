/**
 * Whether a job that has failed is started again, and when: Flink's strategies, under their names.
 *
 * Pure: failures come in with the time at which they happened, delays go out; the caller has clock, chance and timers.
 *
 * - `none`: the first failure ends the job.
 * - `fixed-delay`: so many times, each after the same delay.
 * - `exponential-delay`: after delays that grow by a factor up to a bound, with jitter so that jobs which failed together do
 *   not come back together; they begin anew once the job has run for a while.
 * - `failure-rate`: as long as no more than so many failures fall into any interval.
 */
import type { Prng } from '../base/prng.js';

export interface RestartSettings {
  readonly restartStrategy: 'none' | 'fixed-delay' | 'exponential-delay' | 'failure-rate';
  /** fixed-delay: restarts, over the life of the process. */
  readonly restartAttempts: number;
  /** fixed-delay and failure-rate. */
  readonly restartDelayMs: number;
  /** failure-rate: failures within the interval that the job survives. */
  readonly restartFailuresMax: number;
  readonly restartFailureIntervalMs: number;
  /** exponential-delay. */
  readonly restartBackoffInitialMs: number;
  readonly restartBackoffMaxMs: number;
  /** By how many hundredths a delay is longer than the one before: 50 makes 1.5 times. */
  readonly restartBackoffGrowthPercent: number;
  /** A delay is longer or shorter by up to so many hundredths of it. */
  readonly restartBackoffJitterPercent: number;
  /** After so long without a failure the delays begin anew. */
  readonly restartBackoffResetMs: number;
  /** Restarts without such a time in between; one more failure ends the job. */
  readonly restartBackoffAttempts: number;
}

/** Milliseconds from the failure to the restart, or `null` when the job has failed for good. */
export type RestartDecision = number | null;

/** The failures of one job, and what follows from each. */
export interface RestartStrategy {
  /** @param nowMs when the job failed, on a monotonic clock */
  onFailure(nowMs: number): RestartDecision;
}

export function createRestartStrategy(settings: RestartSettings, prng: Prng): RestartStrategy {
  switch (settings.restartStrategy) {
    case 'none':
      return { onFailure: () => null };
    case 'fixed-delay':
      return new FixedDelay(settings);
    case 'failure-rate':
      return new FailureRate(settings);
    case 'exponential-delay':
      return new ExponentialDelay(settings, prng);
  }
}

class FixedDelay implements RestartStrategy {
  readonly #settings: RestartSettings;
  #restarts = 0;

  constructor(settings: RestartSettings) {
    this.#settings = settings;
  }

  onFailure(): RestartDecision {
    const { restartAttempts, restartDelayMs } = this.#settings;
    this.#restarts++;
    return this.#restarts > restartAttempts ? null : restartDelayMs;
  }
}

class FailureRate implements RestartStrategy {
  readonly #settings: RestartSettings;
  /** When the failures happened that may still count, oldest first: at most one more than are allowed. */
  #failures: number[] = [];

  constructor(settings: RestartSettings) {
    this.#settings = settings;
  }

  onFailure(nowMs: number): RestartDecision {
    const { restartFailuresMax, restartFailureIntervalMs, restartDelayMs } = this.#settings;
    this.#failures = [...this.#failures.filter((at) => nowMs - at < restartFailureIntervalMs), nowMs];
    return this.#failures.length > restartFailuresMax ? null : restartDelayMs;
  }
}

class ExponentialDelay implements RestartStrategy {
  readonly #settings: RestartSettings;
  readonly #prng: Prng;
  #delayMs: number;
  #restarts = 0;
  /** When the job ran again, at the earliest, after its last failure. */
  #restartedMs = -Infinity;

  constructor(settings: RestartSettings, prng: Prng) {
    this.#settings = settings;
    this.#prng = prng;
    this.#delayMs = settings.restartBackoffInitialMs;
  }

  onFailure(nowMs: number): RestartDecision {
    const { restartBackoffInitialMs, restartBackoffMaxMs, restartBackoffGrowthPercent } = this.#settings;
    if (nowMs - this.#restartedMs >= this.#settings.restartBackoffResetMs) {
      this.#delayMs = restartBackoffInitialMs;
      this.#restarts = 0;
    }
    this.#restarts++;
    if (this.#restarts > this.#settings.restartBackoffAttempts) return null;
    const jitter = (this.#prng.next() * 2 - 1) * (this.#settings.restartBackoffJitterPercent / 100);
    const delayMs = Math.min(this.#delayMs * (1 + jitter), restartBackoffMaxMs);
    this.#delayMs = Math.min(this.#delayMs * (1 + restartBackoffGrowthPercent / 100), restartBackoffMaxMs);
    this.#restartedMs = nowMs + delayMs;
    return delayMs;
  }
}
