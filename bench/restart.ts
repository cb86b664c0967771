/**
 * From `kill -9` to the first answer, on lmdb, by number of keys: what is stored is opened, not read.
 *
 * The state is made once per machine and kept in build/bench-data. Each answer is compared: it says how often the key was
 * counted, by whoever was killed since.
 */
import { existsSync } from 'node:fs';
import { cp, mkdtemp, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { projectDir, type RunningServer, startMillrace } from './lib/child.js';
import { atMost, median, type Row } from './lib/report.js';
import { storeCounters } from './lib/stored-job.js';

const JOB = { name: 'stored-counter', operator: 'count' };
const SIZES = [100_000, 1_000_000, 10_000_000];
const KILLS = 5;
/** Counted between two kills: they have changed since the checkpoint, or the last one of them has. */
const CALLS = 200;

export async function run(sizes: readonly number[] = SIZES): Promise<Row[]> {
  const rows: Row[] = [];
  let smallest = Number.NaN;
  for (const keys of sizes) {
    const ms = await timeToFirstAnswer(keys);
    if (Number.isNaN(smallest)) smallest = ms;
    rows.push({
      name: `kill -9 with ${keys.toLocaleString('en')} keys on lmdb: start to first answer`,
      value: ms,
      unit: 'ms',
      against: { name: '100,000 keys', ratio: ms / smallest },
      target: atMost(ms, 1000, '1,000 ms'),
    });
  }
  return rows;
}

/** Makes the state of every size; takes minutes the first time. */
export async function prepare(): Promise<void> {
  for (const keys of SIZES) await storedCounters(keys);
}

async function storedCounters(keys: number): Promise<string> {
  const path = join(projectDir, 'build', 'bench-data', `counters-${String(keys)}`);
  if (existsSync(path)) return path;
  await rm(`${path}.tmp`, { recursive: true, force: true });
  await storeCounters(`${path}.tmp`, JOB, keys);
  await rename(`${path}.tmp`, path);
  return path;
}

async function timeToFirstAnswer(keys: number): Promise<number> {
  const dataDir = await mkdtemp(join(tmpdir(), 'millrace-bench-'));
  await cp(await storedCounters(keys), dataDir, { recursive: true });
  const times: number[] = [];
  let expected = 1;
  try {
    for (let kill = 0; kill <= KILLS; kill++) {
      const startedAt = performance.now();
      const server = await startMillrace(
        ['--job', 'build/bench/jobs/stored-counter-job.js', '--parallelism', '1', '--log-level', 'error'],
        { dataDir },
      );
      expected += 1;
      await count(server, `k${String(keys - 1)}`, expected);
      // The first start is not one after a kill.
      if (kill > 0) times.push(performance.now() - startedAt);
      for (let call = 0; call < CALLS; call++) await count(server, `k${String(call * 7)}`, null);
      await server.kill();
    }
  } finally {
    await rm(dataDir, { recursive: true, force: true });
  }
  return median(times);
}

async function count({ url }: RunningServer, key: string, expected: number | null): Promise<void> {
  const response = await fetch(`${url}/keys/${key}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{}',
  });
  const answer = (await response.json()) as { count: number };
  if (!response.ok || (expected !== null && answer.count !== expected)) {
    throw new Error(
      `key ${key} was answered ${String(response.status)} ${JSON.stringify(answer)}, not ${String(expected)}`,
    );
  }
}
