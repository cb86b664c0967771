import { type ChildProcess, spawn } from 'node:child_process';
import type { MonotonicClock } from '../base/clock.js';
import type { Logger } from '../base/log.js';
import type { Prng } from '../base/prng.js';
import { createRestartStrategy, type RestartStrategy } from './restart-strategy.js';

export interface ProcessSupervisorOptions {
  /** What Node.js runs: its own options, the program, and the program's arguments. */
  readonly command: readonly string[];
  readonly clock: MonotonicClock;
  readonly prng: Prng;
  readonly logger: Logger;
}

/** How a process ended. */
interface ProcessEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** Node.js ends with this when V8 cannot go on; above 128 it is a signal's number that a shell has added. */
const EXIT_FATAL_V8 = 5;
const EXIT_SIGNALLED = 128;

const forwarded: readonly NodeJS.Signals[] = ['SIGTERM', 'SIGINT', 'SIGHUP'];

/**
 * Runs the real process as a child, and starts it again when it was aborted: by V8 out of memory, by a fault in native code, by
 * the system. A child that ends by itself has decided so: its exit code is passed on.
 *
 * ```text
 *   RUNNING ──aborted──▶ WAITING (back-off) ──▶ RUNNING
 *      └── ended, or told to end ──▶ its exit code
 * ```
 *
 * Signals are passed on; after one, nothing is started again. Small on purpose: what runs here must not be what fails.
 */
export class ProcessSupervisor {
  readonly #options: ProcessSupervisorOptions;
  readonly #strategy: RestartStrategy;
  #child: ChildProcess | null = null;
  #endWait: () => void = () => undefined;
  #isEnding = false;

  constructor(options: ProcessSupervisorOptions) {
    this.#options = options;
    this.#strategy = createRestartStrategy(
      {
        restartStrategy: 'exponential-delay',
        restartBackoffInitialMs: 100,
        restartBackoffMaxMs: 60_000,
        restartBackoffGrowthPercent: 100,
        restartBackoffJitterPercent: 10,
        restartBackoffResetMs: 600_000,
        restartBackoffAttempts: Infinity,
        restartAttempts: 0,
        restartDelayMs: 0,
        restartFailuresMax: 1,
        restartFailureIntervalMs: 1,
      },
      options.prng,
    );
  }

  /** Resolves with the exit code for this process, once no child runs and none is to follow. */
  async run(): Promise<number> {
    for (const signal of forwarded) process.on(signal, () => this.#forward(signal));
    for (;;) {
      const end = await this.#runOnce();
      if (this.#isEnding || !wasAborted(end)) return exitCodeOf(end);
      const delayMs = this.#strategy.onFailure(this.#options.clock.nowMs()) ?? 0;
      this.#options.logger.error(
        { ...end, delayMs: Math.round(delayMs) },
        'the process was aborted and is started again',
      );
      await this.#wait(delayMs);
      if (this.#isEnding) return exitCodeOf(end);
    }
  }

  #runOnce(): Promise<ProcessEnd> {
    const child = spawn(process.execPath, this.#options.command, { stdio: 'inherit' });
    this.#child = child;
    return new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (code, signal) => {
        this.#child = null;
        resolve({ code, signal });
      });
    });
  }

  #forward(signal: NodeJS.Signals): void {
    this.#isEnding = true;
    this.#child?.kill(signal);
    this.#endWait();
  }

  #wait(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, delayMs);
      this.#endWait = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

function wasAborted({ code, signal }: ProcessEnd): boolean {
  return signal !== null || code === EXIT_FATAL_V8 || (code ?? 0) > EXIT_SIGNALLED;
}

/** As a shell would give it. */
function exitCodeOf({ code, signal }: ProcessEnd): number {
  if (code !== null) return code;
  const numbers: Partial<Record<NodeJS.Signals, number>> = {
    SIGHUP: 1,
    SIGINT: 2,
    SIGABRT: 6,
    SIGKILL: 9,
    SIGTERM: 15,
  };
  return EXIT_SIGNALLED + ((signal === null ? undefined : numbers[signal]) ?? 0);
}
