import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { SeededPrng } from '../../../src/base/prng.js';
import { EmbeddedLog } from '../../../src/connectors/log/embedded-log.js';
import { DirectoryLock } from '../../../src/storage/directory-lock.js';
import { withTemporaryDirectory } from '../../helpers/temporary-directory.js';
import { TopicClient } from '../../helpers/topic-client.js';

const fixture = fileURLToPath(new URL('../../fixtures/log/append-until-killed.mjs', import.meta.url));
const KILLS = Number(process.env['LOG_KILLS'] ?? 50);
const PARTITIONS = 4;

/** What the child said before it was killed. */
class Report {
  readonly values = new Map<string, string>();
  groupOffset = 0;
  count = 0;

  take(line: string): void {
    const [kind, ...fields] = line.split(' ');
    if (kind === 'A' && fields.length === 3) {
      this.count += 1;
      this.values.set(`${fields[0]} ${fields[1]}`, fields[2] ?? '');
    }
    if (kind === 'G' && fields.length === 1) this.groupOffset = Number(fields[0]);
  }
}

/** Runs one life and ends it by SIGKILL: at a random moment of its start, or after a random number of acknowledgements. */
async function liveAndDie(dataDir: string, life: number, prng: SeededPrng): Promise<Report> {
  const report = new Report();
  const child = spawn(process.execPath, [fixture, dataDir, String(life)], { stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  const killAt = prng.below(400);
  const timer = prng.below(5) === 0 ? setTimeout(() => child.kill('SIGKILL'), prng.below(400)) : null;
  for await (const line of createInterface({ input: child.stdout })) {
    report.take(line);
    if (report.count >= killAt && line !== 'R') child.kill('SIGKILL');
  }
  if (timer !== null) clearTimeout(timer);
  const [code, signal] = (await exited) as [number | null, string | null];
  expect({ life, code, signal }).toEqual({ life, code: null, signal: 'SIGKILL' });
  return report;
}

/** Everything that an earlier life left is right already; checks what this one added. @returns the new ends */
async function check(dataDir: string, starts: readonly number[], report: Report): Promise<readonly number[]> {
  const lock = await DirectoryLock.acquire(dataDir);
  const log = await EmbeddedLog.open({ dataDir });
  try {
    if (!log.topics().includes('kill')) {
      expect(report.count).toBe(0);
      return starts;
    }
    const { endOffsets } = await log.describe('kill');
    const added = endOffsets.reduce((sum, end, partition) => sum + end - (starts[partition] ?? 0), 0);
    const client = new TopicClient(log, 'kill', new Map(starts.entries()), { maxRecords: 1000 });
    const next = [...starts];
    for (const { partition, offset, value } of await client.read(added)) {
      expect(offset).toBe(next[partition]);
      next[partition] = offset + 1;
      expect(isWhole(value ?? '')).toBe(true);
      const acknowledged = report.values.get(`${partition} ${offset}`);
      if (acknowledged !== undefined) expect(value).toBe(acknowledged);
      report.values.delete(`${partition} ${offset}`);
    }
    expect([...report.values.keys()]).toEqual([]); // acknowledged and not found
    const group = await log.committedOffsets('g', 'kill');
    expect(group.get(0)?.offset ?? 0).toBeGreaterThanOrEqual(report.groupOffset);
    return next;
  } finally {
    await log.close();
    await lock.release();
  }
}

/** A value says how long it must be. */
function isWhole(value: string): boolean {
  const sent = Number(value.split(':')[1]);
  return value.endsWith(':'.concat('x'.repeat((sent * 37) % 400)));
}

it(`loses no acknowledged append, and leaves no half record, when its process is killed ${KILLS} times`, async () => {
  const seed = 20_261;
  const prng = new SeededPrng(seed);
  await withTemporaryDirectory(async (dataDir) => {
    let starts: readonly number[] = new Array<number>(PARTITIONS).fill(0);
    let acknowledged = 0;
    for (let life = 1; life <= KILLS; life++) {
      const report = await liveAndDie(dataDir, life, prng);
      acknowledged += report.count;
      starts = await check(dataDir, starts, report).catch((cause: unknown) => {
        throw new Error(`seed ${seed}, life ${life}`, { cause });
      });
    }
    expect(acknowledged).toBeGreaterThan(KILLS * 20);
  });
});
