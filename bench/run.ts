/**
 * `npm run bench`: the suites that say how a service runs, in about three minutes, as one table and as JSON. `npm run bench -- http nexmark`: only
 * these, in full. `npm run bench -- all`: every suite in full, which takes an hour.
 *
 * Figures are medians; claims are ratios against a peer or a limit of the same run, since machines differ by the hour.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { arch, availableParallelism, cpus } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { projectDir } from './lib/child.js';
import { formatTable, type Suite, type SuiteResult } from './lib/report.js';

const suites: readonly Suite[] = [
  { name: 'calibration', run: async () => (await import('./calibration.js')).run() },
  { name: 'ring', run: async (isNamed) => (await import('./micro/ring.js')).run({ isFull: isNamed }) },
  { name: 'codec', run: async () => (await import('./micro/codec.js')).run() },
  { name: 'log', run: async () => (await import('./micro/log.js')).run() },
  { name: 'state', run: async (isNamed) => (await import('./micro/state.js')).run({ isFull: isNamed }) },
  { name: 'nexmark', run: async (isNamed) => (await import('./nexmark/suite.js')).run({ isFull: isNamed }) },
  { name: 'datastream', run: async () => (await import('./micro/datastream.js')).run() },
  { name: 'jobs', run: async (isNamed) => (await import('./jobs.js')).run({ isFull: isNamed }) },
  { name: 'scaling', run: async () => (await import('./scaling.js')).run() },
  { name: 'startup', run: async () => (await import('./startup.js')).run() },
  { name: 'latency', run: async () => (await import('./latency.js')).run() },
  // All that is promised of failures. Ten million keys take minutes to make: only where somebody asks for them.
  { name: 'recovery', run: async (isNamed) => (await import('./recovery.js')).run({ isFull: isNamed }) },
  { name: 'http', run: async (isNamed) => (await import('./http.js')).run({ isFull: isNamed }) },
  // Needs Java: a broker on this machine.
  { name: 'kafka', run: async () => (await import('./kafka.js')).run() },
  { name: 'cpu', run: async () => (await import('./cpu.js')).run() },
  { name: 'overhead', run: async () => (await import('./overhead.js')).run() },
  { name: 'ingest', run: async () => (await import('./ingest.js')).run() },
];

/** What runs when nobody names a suite, each in brief: about three minutes. The others take longer, or measure what changes rarely. */
const usual = new Set(['calibration', 'ring', 'state', 'jobs', 'startup', 'http']);

const { values, positionals } = parseArgs({ allowPositionals: true, options: { json: { type: 'string' } } });
const unknown = positionals.filter((name) => name !== 'all' && !suites.some((suite) => suite.name === name));
if (unknown.length > 0) {
  process.stderr.write(
    `no such suite: ${unknown.join(', ')}; there are all, ${suites.map(({ name }) => name).join(', ')}\n`,
  );
  process.exit(2);
}

const isAll = positionals.includes('all');
const chosen = suites.filter(({ name }) =>
  positionals.length === 0 ? usual.has(name) : isAll || positionals.includes(name),
);
const results: SuiteResult[] = [];
for (const { name, run } of chosen) {
  process.stderr.write(`${name} …\n`);
  const startedAt = performance.now();
  const rows = await run(positionals.length > 0);
  results.push({ suite: name, seconds: (performance.now() - startedAt) / 1000, rows });
}

const machine = { node: process.version, arch: arch(), cpu: cpus()[0]?.model ?? '', cores: availableParallelism() };
process.stdout.write(
  `Node ${machine.node}, ${machine.cpu}, ${String(machine.cores)} cores\n\n${formatTable(results)}\n`,
);

const file = values.json ?? join(projectDir, 'build', 'bench-results.json');
await mkdir(join(projectDir, 'build'), { recursive: true });
await writeFile(file, `${JSON.stringify({ at: new Date().toISOString(), machine, results }, null, 2)}\n`);
process.stdout.write(`\nwritten to ${file}\n`);
