/** One run of `millrace chaos`: callers and faults at the same time, then the check. */
import { cp, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { MillraceError } from '../../base/errors.js';
import type { Prng } from '../../base/prng.js';
import type { ChaosChecker } from '../../testing/chaos-checker.js';
import type { Environment } from '../command.js';
import { mainFile } from '../main-file.js';
import { ChaosClients } from './chaos-clients.js';
import { type FaultContext, faults, mountDisk, unmountDisk } from './faults.js';
import { ServiceProcess } from './service-process.js';

const DISK_MIB = 192;
const BETWEEN_FAULTS_MS_LEAST = 100;
const BETWEEN_FAULTS_MS_SPREAD = 900;
/** Of the faults after one of each: how many are the first kind. */
const SHARE_OF_FIRST = 0.6;

export interface ChaosOptions {
  readonly job: string;
  /** Settings of `run` for the service. */
  readonly settings: readonly string[];
  readonly checker: ChaosChecker;
  readonly clientCount: number;
  readonly faultCount: number;
  /** Names of {@link faults}. */
  readonly faultNames: readonly string[];
  readonly prng: Prng;
  readonly environment: Environment;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: ChaosProgress) => void;
}

export interface ChaosProgress {
  readonly faults: Readonly<Record<string, number>>;
  readonly answered: number;
  readonly repeated: number;
}

export interface ChaosReport extends ChaosProgress {
  /** Kinds of faults that this machine does not allow. */
  readonly leftOut: readonly string[];
  /** How often the service ended without being killed. */
  readonly ownEnds: number;
  readonly seconds: number;
  /** What does not hold. */
  readonly failures: readonly string[];
  /** The end of what the service wrote to standard error. */
  readonly output: string;
  /** Where the data folder of a run with failures is kept. */
  readonly dataDir: string | null;
}

/**
 * @throws MillraceError `MILLRACE_NOT_READY` when the service does not start, `MILLRACE_CONFIG_INVALID` when none of the
 *   faults can be made on this machine.
 */
export async function runChaos(options: ChaosOptions): Promise<ChaosReport> {
  const directory = await mkdtemp(join(tmpdir(), 'millrace-chaos-'));
  const diskDirectory = join(directory, 'disk');
  await mkdir(diskDirectory);
  const hasDisk = options.faultNames.includes('disk') && mountDisk(diskDirectory, DISK_MIB);
  const dataDir = join(diskDirectory, 'data');
  let keptDir: string | null = null;
  const clockFile = join(directory, 'clock');
  const run = new ChaosRun(options, { diskDirectory, dataDir, clockFile, hasDisk });
  try {
    if (run.isHarmless) {
      throw new MillraceError(
        'MILLRACE_CONFIG_INVALID',
        'the disk can be filled only by root, and no other fault is asked for',
      );
    }
    const report = await run.run();
    if (report.failures.length === 0) return report;
    keptDir = join(directory, 'data');
    await cp(dataDir, keptDir, { recursive: true });
    return { ...report, dataDir: keptDir };
  } finally {
    await run.end();
    if (hasDisk) unmountDisk(diskDirectory);
    await rm(keptDir === null ? directory : diskDirectory, { recursive: true, force: true });
  }
}

class ChaosRun {
  readonly #options: ChaosOptions;
  readonly #context: FaultContext;
  readonly #clients: ChaosClients;
  readonly #possible: readonly string[];
  readonly #done: Record<string, number> = {};
  #isOver = false;

  constructor(
    options: ChaosOptions,
    place: {
      readonly diskDirectory: string;
      readonly dataDir: string;
      readonly clockFile: string;
      readonly hasDisk: boolean;
    },
  ) {
    this.#options = options;
    const clock = `skewed-clock.js?clock=${encodeURIComponent(place.clockFile)}`;
    const preloads = ['worker-death.js', clock].flatMap((name) => ['--import', new URL(name, import.meta.url).href]);
    const program = [...preloads, mainFile(), 'run', '--port', '0', '--log-level', 'error'];
    const settings = ['--data-dir', place.dataDir, '--job', options.job, ...options.settings];
    const { prng, environment } = options;
    const { diskDirectory, clockFile } = place;
    const service = new ServiceProcess([...program, ...settings], environment);
    this.#context = { service, diskDirectory, clockFile, prng };
    this.#clients = new ChaosClients(service, options.checker);
    this.#possible = options.faultNames.filter((name) => name !== 'disk' || place.hasDisk);
  }

  get isHarmless(): boolean {
    return this.#possible.length === 0;
  }

  async run(): Promise<ChaosReport> {
    const startedAt = performance.now();
    const { service } = this.#context;
    await service.start();
    const failures = await this.#failures();
    return {
      ...this.#progress(),
      leftOut: this.#options.faultNames.filter((name) => !this.#possible.includes(name)),
      ownEnds: service.ownEnds,
      seconds: Math.round((performance.now() - startedAt) / 1_000),
      failures,
      output: service.output,
      dataDir: null,
    };
  }

  async end(): Promise<void> {
    await this.#context.service.stop('SIGKILL');
  }

  async #failures(): Promise<readonly string[]> {
    const calling = this.#clients.run(this.#options.clientCount);
    const faulting = this.#makeFaults();
    try {
      // Whichever ends first ends the other: all faults are made, nothing is left to ask, or an answer was wrong.
      await Promise.race([calling, faulting, untilAborted(this.#options.signal)]);
      this.#isOver = true;
      this.#clients.finish();
      await Promise.all([calling, faulting]);
      const found = await this.#options.checker.check({ get: (path) => this.#clients.get(path) });
      const code = await this.#context.service.stop('SIGTERM');
      return code === 0 ? found : [...found, `the last stop ended with exit code ${String(code)}`];
    } catch (error) {
      return [error instanceof Error ? error.message : String(error)];
    } finally {
      this.#isOver = true;
      this.#clients.abandon();
      await Promise.allSettled([calling, faulting]);
    }
  }

  /** Each kind at least once, the first most often. */
  async #makeFaults(): Promise<void> {
    const { prng, faultCount, onProgress } = this.#options;
    const [usual = ''] = this.#possible;
    for (let round = 0; round < faultCount && !this.#isOver; round++) {
      await delay(BETWEEN_FAULTS_MS_LEAST + prng.next() * BETWEEN_FAULTS_MS_SPREAD);
      const drawn = prng.next() < SHARE_OF_FIRST ? usual : this.#possible[prng.below(this.#possible.length)];
      const name = this.#possible[round] ?? drawn ?? usual;
      await faults[name]?.(this.#context);
      this.#done[name] = (this.#done[name] ?? 0) + 1;
      onProgress(this.#progress());
    }
  }

  #progress(): ChaosProgress {
    return { faults: { ...this.#done }, answered: this.#clients.answered, repeated: this.#clients.repeated };
  }
}

/** Never resolves. */
function untilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    const onAbort = (): void => reject(new Error('interrupted before the check'));
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
  });
}
