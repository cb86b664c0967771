/**
 * `npm run soak -- --minutes 30`: durable counters at half of what they can take, for a long time. Memory must not grow, no
 * descriptor may be left open, and the last callers must wait no longer than the first. Exits with 1 when one of these fails.
 */
import { readdir } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { residentMiB, startMillrace } from './lib/child.js';
import { runLoad, runOpenLoop } from './lib/load.js';
import { median } from './lib/report.js';
import { slope } from './lib/slope.js';

const CONNECTIONS = 64;
/** A run shorter than this says nothing about a slope of one MiB per minute: the heap is still finding its size. */
const SLOPE_MINUTES_LEAST = 10;
const SLOPE_MIB_PER_MINUTE_MAX = 1;
/** What a short run may grow by after its first third. */
const GROWTH_MIB_MAX = 64;
const P99_FACTOR_MAX = 2;
const P99_SLACK_MS = 5;
const P99_SLACK_SHORT_MS = 50;
const DESCRIPTOR_SLACK = 4;

interface Sample {
  readonly atMinutes: number;
  readonly residentMiB: number;
  readonly descriptors: number;
}

interface Check {
  readonly name: string;
  readonly text: string;
  readonly isMet: boolean;
}

const { values } = parseArgs({ options: { minutes: { type: 'string', default: '30' } } });
const minutes = Number(values.minutes);
if (!(minutes > 0)) {
  process.stderr.write('usage: npm run soak -- --minutes 30\n');
  process.exit(2);
}
const checks = await soak(minutes);
for (const { name, text, isMet } of checks) process.stdout.write(`${isMet ? 'met   ' : 'MISSED'}  ${name}: ${text}\n`);
process.exit(checks.every(({ isMet }) => isMet) ? 0 : 1);

async function soak(forMinutes: number): Promise<Check[]> {
  const seconds = forMinutes * 60;
  const intervalSeconds = Math.max(1, seconds / 60);
  const server = await startMillrace([]);
  const load = {
    url: server.url,
    connections: CONNECTIONS,
    paths: Array.from({ length: 1_000 }, (_, index) => `/counters/name-${String(index)}`),
    body: '{"amount":1}',
  };
  try {
    const { requestsPerSecond } = await runLoad({ ...load, seconds: 3, warmupSeconds: 2 });
    const rate = Math.round(requestsPerSecond / 2);
    process.stdout.write(`${String(rate)} requests/s for ${String(forMinutes)} minutes\n`);
    const samples: Sample[] = [];
    const startMs = performance.now();
    const sampling = setInterval(() => {
      void sample(server.pid, (performance.now() - startMs) / 60_000).then((taken) => samples.push(taken));
    }, intervalSeconds * 1000);
    const intervals = await runOpenLoop({
      ...load,
      requestsPerSecond: rate,
      seconds,
      warmupSeconds: 1,
      intervalSeconds,
    });
    clearInterval(sampling);
    const failures = intervals.reduce((sum, interval) => sum + interval.failures, 0);
    return [
      { name: 'failures', text: String(failures), isMet: failures === 0 },
      memoryCheck(samples, forMinutes),
      descriptorCheck(samples),
      latencyCheck(
        intervals.map(({ p99Ms }) => p99Ms),
        forMinutes,
      ),
    ];
  } finally {
    await server.stop();
  }
}

async function sample(pid: number, atMinutes: number): Promise<Sample> {
  const descriptors = await readdir(`/proc/${String(pid)}/fd`);
  return { atMinutes, residentMiB: await residentMiB(pid), descriptors: descriptors.length };
}

function memoryCheck(samples: readonly Sample[], forMinutes: number): Check {
  const settled = samples.slice(Math.floor(samples.length / 3));
  const first = settled[0]?.residentMiB ?? Number.NaN;
  const last = settled.at(-1)?.residentMiB ?? Number.NaN;
  const text = `${first.toFixed(0)} MiB after a third, ${last.toFixed(0)} MiB at the end`;
  if (forMinutes < SLOPE_MINUTES_LEAST) {
    return { name: 'memory', text: `${text} (too short for a slope)`, isMet: last - first <= GROWTH_MIB_MAX };
  }
  const perMinute = slope(settled.map((each) => [each.atMinutes, each.residentMiB]));
  const isMet = perMinute <= SLOPE_MIB_PER_MINUTE_MAX;
  return { name: 'memory', text: `${text}, ${perMinute.toFixed(2)} MiB per minute`, isMet };
}

function descriptorCheck(samples: readonly Sample[]): Check {
  const [early, late] = thirds(samples.map(({ descriptors }) => descriptors));
  const isMet = Math.max(...late) <= Math.max(...early) + DESCRIPTOR_SLACK;
  return { name: 'descriptors', text: `${String(Math.max(...early))}, then ${String(Math.max(...late))}`, isMet };
}

function latencyCheck(p99s: readonly number[], forMinutes: number): Check {
  const [early, late] = thirds(p99s).map(median) as [number, number];
  // Intervals of a short run are a second or less: one slow write of the disk decides.
  const slackMs = forMinutes < SLOPE_MINUTES_LEAST ? P99_SLACK_SHORT_MS : P99_SLACK_MS;
  const isMet = late <= early * P99_FACTOR_MAX + slackMs;
  return { name: 'p99', text: `${early.toFixed(1)} ms, then ${late.toFixed(1)} ms`, isMet };
}

/** The second third, when all is warm, and the last. */
function thirds(all: readonly number[]): [number[], number[]] {
  const third = Math.floor(all.length / 3);
  return [all.slice(third, 2 * third), all.slice(2 * third)];
}
