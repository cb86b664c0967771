/**
 * `npm run bench:compare`: the ratios of the last `npm run bench` beside those stored in bench/baselines/. Figures differ from
 * machine to machine and from hour to hour; a ratio of two figures of one run says whether the code became slower.
 *
 * `npm run bench:compare -- --write RUN.json…` stores the medians of these runs, and how far they lie apart: the noise.
 * Exits with 1 when a ratio is worse by more than the noise.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { projectDir } from './lib/child.js';
import { type BaselineRow, compareRatios, ratiosOf, type SavedRun, toBaseline } from './lib/ratios.js';

const baselineFile = join(projectDir, 'bench', 'baselines', 'ratios.json');
const lastRun = join(projectDir, 'build', 'bench-results.json');

const { values, positionals } = parseArgs({ allowPositionals: true, options: { write: { type: 'boolean' } } });
const files = positionals.length === 0 ? [lastRun] : positionals;
const runs = await Promise.all(files.map(async (file) => JSON.parse(await readFile(file, 'utf8')) as SavedRun));

if (values.write === true) {
  const baseline = toBaseline(runs.map(ratiosOf));
  await mkdir(dirname(baselineFile), { recursive: true });
  await writeFile(baselineFile, `${JSON.stringify(baseline, null, 2)}\n`);
  process.stdout.write(`${String(baseline.length)} ratios written to ${baselineFile}\n`);
} else {
  const stored = await readFile(baselineFile, 'utf8').catch(() => null);
  if (stored === null) {
    process.stderr.write(`there is no ${baselineFile}: write one with npm run bench:compare -- --write RUN.json…\n`);
    process.exit(2);
  }
  const baseline = JSON.parse(stored) as BaselineRow[];
  const verdicts = runs.flatMap((run) => compareRatios(baseline, ratiosOf(run)));
  for (const { name, before, now, noise, verdict } of verdicts) {
    const change = `${before.toFixed(2)} → ${now.toFixed(2)}`;
    process.stdout.write(`${verdict.padEnd(12)}  ${change.padEnd(16)}  ±${(noise * 100).toFixed(0)} %  ${name}\n`);
  }
  process.exit(verdicts.some(({ verdict }) => verdict === 'WORSE') ? 1 : 0);
}
