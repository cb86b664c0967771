import { randomInt } from 'node:crypto';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { MillraceError } from '../base/errors.js';
import { SeededPrng } from '../base/prng.js';
import type { ChaosChecker, CreateChaosChecker } from '../testing/chaos-checker.js';
import { type ChaosProgress, type ChaosReport, runChaos } from './chaos/chaos-run.js';
import { faults } from './chaos/faults.js';
import {
  type Command,
  EXIT_FAILED,
  EXIT_OK,
  integerOption,
  requireOption,
  type Terminal,
  textOption,
  UsageError,
} from './command.js';

const KILLS = 20;
const CLIENTS = 16;
const allFaults = Object.keys(faults).join();

/** Runs a job as a process of its own under load, does it harm again and again, and checks what is left. */
export const chaos: Command = {
  summary: 'Kill, stop and starve a job under load again and again, and check that its promises hold.',
  usage: '--job <path> --checker <path> [--kills N] [--faults kill,stop,…] [-- <settings of run>]',
  options: {
    job: { type: 'string', placeholder: 'path', description: 'The job module, compiled: what run takes as --job.' },
    checker: {
      type: 'string',
      placeholder: 'path',
      description: 'A module that exports createChecker: who calls the job, and says what does not hold.',
    },
    kills: {
      type: 'string',
      placeholder: 'n',
      description: `How many faults, each kind at least once, the first most often. Default: ${String(KILLS)}.`,
    },
    faults: { type: 'string', placeholder: 'list', description: `Which kinds. Default: ${allFaults}.` },
    clients: { type: 'string', placeholder: 'n', description: `How many callers. Default: ${String(CLIENTS)}.` },
    seed: { type: 'string', placeholder: 'n', description: 'Makes the choices of another run again; it is printed.' },
    json: { type: 'boolean', description: 'Print the report as JSON.' },
  },
  async run({ values, positionals, terminal, signal, environment }) {
    const job = resolve(requireOption(values, 'job'));
    const checkerPath = resolve(requireOption(values, 'checker'));
    const seed = integerOption(values, 'seed', randomInt(2 ** 31), 0);
    const prng = new SeededPrng(seed);
    terminal.err(`seed ${String(seed)}\n`);
    const report = await runChaos({
      job,
      settings: positionals,
      checker: await loadChecker(checkerPath, prng),
      clientCount: integerOption(values, 'clients', CLIENTS),
      faultCount: integerOption(values, 'kills', KILLS),
      faultNames: faultNames(textOption(values, 'faults', allFaults)),
      prng,
      environment,
      signal,
      onProgress: (progress) => showProgress(progress, terminal),
    });
    if (report.failures.length > 0) terminal.err(report.output);
    const { output: _, ...rest } = report;
    terminal.out(values['json'] === true ? `${JSON.stringify({ seed, ...rest }, null, 2)}\n` : reportText(report));
    return report.failures.length === 0 ? EXIT_OK : EXIT_FAILED;
  },
};

function faultNames(list: string): string[] {
  const names = list.split(',');
  const unknown = names.find((name) => !Object.hasOwn(faults, name));
  if (unknown === undefined) return names;
  throw new UsageError(`--faults: expected some of ${allFaults}, got ${JSON.stringify(unknown)}`);
}

async function loadChecker(path: string, prng: SeededPrng): Promise<ChaosChecker> {
  let module: { readonly createChecker?: unknown };
  try {
    module = (await import(pathToFileURL(path).href)) as typeof module;
  } catch (cause) {
    throw new MillraceError('MILLRACE_CONFIG_INVALID', `the checker "${path}" cannot be loaded`, { cause });
  }
  if (typeof module.createChecker !== 'function') {
    throw new MillraceError('MILLRACE_CONFIG_INVALID', `the checker "${path}" exports no function createChecker`, {
      hint: 'docs/testing.md shows a checker.',
    });
  }
  return (module.createChecker as CreateChaosChecker)({ random: () => prng.next() });
}

function showProgress(progress: ChaosProgress, terminal: Terminal): void {
  terminal.err(`${countsText(progress)}\n`);
}

function countsText({ faults: done, answered, repeated }: ChaosProgress): string {
  const kinds = Object.entries(done).map(([name, count]) => `${name} ${String(count)}`);
  return `${kinds.join(', ')}; ${String(answered)} requests answered, ${String(repeated)} repetitions`;
}

function reportText(report: ChaosReport): string {
  const { leftOut, failures, ownEnds, seconds, dataDir } = report;
  const lines = [
    ...(leftOut.length === 0 ? [] : [`without ${leftOut.join()}: needs root, to mount a file system`]),
    `${countsText(report)}; ended by itself ${String(ownEnds)}; ${String(seconds)} s`,
    ...failures.map((failure) => `WRONG: ${failure}`),
    ...(dataDir === null ? [] : [`the data folder is kept: ${dataDir}`]),
    failures.length === 0
      ? 'everything holds'
      : `${String(failures.length)} ${failures.length === 1 ? 'thing does' : 'things do'} not hold`,
  ];
  return `${lines.join('\n')}\n`;
}
