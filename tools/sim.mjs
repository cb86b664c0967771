// `npm run sim`: the simulations, with the seeds that are asked for.
//
//   npm run sim                     as in the tests
//   npm run sim -- --seed 123       one run, to look at
//   npm run sim -- --runs 10000     more of them
import { spawnSync } from 'node:child_process';
import { parseArgs } from 'node:util';

const { values } = parseArgs({ options: { seed: { type: 'string' }, runs: { type: 'string' } } });
const isCount = (text) => text === undefined || /^\d+$/.test(text);
if (!isCount(values.seed) || !isCount(values.runs)) {
  console.error('usage: npm run sim -- [--seed N] [--runs N]');
  process.exit(2);
}

const env = { ...process.env };
if (values.seed !== undefined) env.SIM_SEED = values.seed;
if (values.runs !== undefined) env.SIM_RUNS = values.runs;
const { status } = spawnSync('npx', ['vitest', 'run', 'test/simulation'], { stdio: 'inherit', env });
process.exit(status ?? 1);
