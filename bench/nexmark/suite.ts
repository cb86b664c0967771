import { atLeast, atMost, median, type Row } from '../lib/report.js';
import { withSlowness } from '../lib/slowness.js';
import { checkAnswer } from './answers.js';
import { type Backend, measureSpeed, type Speed } from './run.js';

/**
 * Nexmark with the generator in the workers and a sink that discards, beside what Apache Flink 2.3 reached with the very same
 * events on a machine of the same kind: its DataStream API, object reuse on, checkpoints off, parallelism 1. The answers on a
 * small set are checked before anything is timed.
 */

interface Flink {
  /** Million events per second. The best known: settled where that was measured. */
  readonly heap?: number;
  /** Million events per second and core, settled. */
  readonly heapPerCore?: number;
  readonly rocksdb?: number;
  /** SQL, million events per second and core: settled where that was measured. */
  readonly sqlPerCore?: number;
}

const flink: Readonly<Record<string, Flink>> = {
  q0: { heap: 4.59, sqlPerCore: 0.53 },
  q1: { heap: 4.62, sqlPerCore: 0.47 },
  q2: { heap: 5.18, sqlPerCore: 0.52 },
  q3: { heap: 4.51, sqlPerCore: 0.4 },
  q4: { heap: 1.41, heapPerCore: 0.94, rocksdb: 0.149, sqlPerCore: 0.15 },
  q5: { heap: 0.67, heapPerCore: 0.51, rocksdb: 0.032, sqlPerCore: 0.23 },
  q7: { heap: 1.6, heapPerCore: 0.96, sqlPerCore: 0.11 },
  q8: { heap: 3.81, rocksdb: 2.19, sqlPerCore: 0.36 },
  q11: { heap: 0.55, heapPerCore: 0.46, rocksdb: 0.124, sqlPerCore: 0.18 },
  q12: { heap: 0.63, sqlPerCore: 0.27 },
  q15: { heap: 0.89, sqlPerCore: 0.11 },
  q18: { heap: 0.77, heapPerCore: 0.45, rocksdb: 0.189, sqlPerCore: 0.17 },
  q20: { heap: 0.78, sqlPerCore: 0.12 },
};

/** How many times Flink's figure is aimed at: see {@link flink}. q0 to q3 run at the generator's own speed. */
const targets: Readonly<Record<string, number>> = { q4: 2, q5: 2, q7: 2, q8: 2, q11: 2, q15: 2, q18: 2, q20: 2 };
const lmdbTarget = 4;
const sqlTarget = 5;

/** Which of Flink's queries run at its generator's own speed, so that only what they add to it can be compared. */
const NEAR_THE_GENERATOR: ReadonlySet<string> = new Set(['q0', 'q1', 'q2', 'q3']);
/** Million events per second of Flink's generator alone: it was measured at 4.8 to 7.0, and this is the middle. */
const FLINK_GENERATOR = 5.9;

const ALL = ['q0', 'q1', 'q2', 'q3', 'q4', 'q5', 'q7', 'q8', 'q9', 'q11', 'q12', 'q14', 'q15', 'q16', 'q17', 'q18', 'q19', 'q20']; // prettier-ignore
const SHORT = ['q0', 'q4', 'q5', 'q8', 'q11', 'q18'];
const ON_LMDB: ReadonlySet<string> = new Set(['q4', 'q5', 'q11', 'q18']);

interface Case {
  readonly query: string;
  readonly parallelism: number;
  readonly backend: Backend;
}

export interface NexmarkOptions {
  /** Every query, at both parallelisms, and those with much state on lmdb. Otherwise the telling ones at parallelism 1. */
  readonly isFull: boolean;
}

/** Full: some eight minutes. Short: about one. */
export async function run({ isFull }: NexmarkOptions): Promise<Row[]> {
  const parallelisms = isFull ? [1, 2] : [1];
  const cases: Case[] = [];
  for (const query of isFull ? ALL : SHORT) {
    for (const parallelism of parallelisms) cases.push({ query, parallelism, backend: 'heap' });
    if (isFull && ON_LMDB.has(query)) cases.push({ query, parallelism: 1, backend: 'lmdb' });
  }
  for (const { query, parallelism, backend } of cases) await checkAnswer(query, parallelism, backend);
  const rounds = isFull ? 3 : 1;
  const rows: Row[] = [];
  const generators = new Map<number, Speed>();
  for (const parallelism of parallelisms) {
    const alone: Case = { query: 'generator', parallelism, backend: 'heap' };
    const speed = await measure(alone, rounds);
    generators.set(parallelism, speed);
    rows.push(...rowsOf(alone, speed, 1));
  }
  for (const each of cases) {
    const { result, slowness } = await withSlowness(() => measure(each, rounds));
    rows.push(...rowsOf(each, result, slowness));
    if (each.parallelism > 1 || each.backend === 'lmdb') continue;
    const generator = generators.get(1);
    if (generator !== undefined) rows.push(...rowBeyondGenerator(each, result, generator, slowness));
    rows.push(...rowBesideSql(each, result, slowness));
  }
  return rows;
}

/** What a query adds to the generator, in processor time per event, beside what it adds by the clock with Flink. */
function rowBeyondGenerator({ query }: Case, speed: Speed, generator: Speed, slowness: number): Row[] {
  const peer = flink[query]?.heap;
  if (peer === undefined || !NEAR_THE_GENERATOR.has(query)) return [];
  const added = Math.max(0, 1e9 / speed.eventsPerCpuSecond - 1e9 / generator.eventsPerCpuSecond);
  const peerAdded = (1_000 / peer - 1_000 / FLINK_GENERATOR) * slowness;
  return [
    {
      name: `${query}: added to the generator`,
      value: added,
      unit: 'ns/event',
      target: atMost(added, peerAdded, `Flink's ${peerAdded.toFixed(0)} ns`),
    },
  ];
}

function rowBesideSql({ query }: Case, speed: Speed, slowness: number): Row[] {
  const peer = flink[query]?.sqlPerCore;
  if (peer === undefined) return [];
  const ratio = (speed.eventsPerCpuSecond * slowness) / (peer * 1e6);
  return [
    {
      name: `${query}: beside Flink's SQL`,
      value: speed.eventsPerCpuSecond,
      unit: 'events/CPU s',
      against: { name: 'Flink SQL, scaled', ratio },
      target: atLeast(ratio, sqlTarget, `${String(sqlTarget)} ×`),
    },
  ];
}

async function measure({ query, parallelism, backend }: Case, rounds: number): Promise<Speed> {
  const eventCount = eventCountOf(query, backend);
  const large = { query, parallelism, eventCount, warmUpEvents: eventCount / 2, rowsDir: null };
  const speeds: Speed[] = [];
  for (let round = 0; round < rounds; round++) speeds.push(await measureSpeed(large, backend));
  return {
    eventsPerSecond: median(speeds.map(({ eventsPerSecond }) => eventsPerSecond)),
    eventsPerCpuSecond: median(speeds.map(({ eventsPerCpuSecond }) => eventsPerCpuSecond)),
  };
}

/**
 * Flink's settled figures are those of its seventh to ninth run in one process: here too the compiler is to have settled. What hardly
 * takes longer than the generator needs more events for that, and for a difference that is more than chance.
 */
function eventCountOf(query: string, backend: Backend): number {
  if (backend === 'lmdb') return 1_500_000;
  return query === 'generator' || NEAR_THE_GENERATOR.has(query) ? 16_000_000 : 6_000_000;
}

/** Ratios are for a machine at its nominal speed. */
function rowsOf({ query, parallelism, backend }: Case, speed: Speed, slowness: number): Row[] {
  const name = `${query}, parallelism ${String(parallelism)}, ${backend}`;
  const peer = flink[query];
  const perSecond = parallelism === 1 ? (backend === 'heap' ? peer?.heap : peer?.rocksdb) : undefined;
  const perCore = parallelism === 1 && backend === 'heap' ? peer?.heapPerCore : undefined;
  // Per core where Flink's figure is known, since its keyBy uses two threads at parallelism 1; by the clock otherwise.
  const target = backend === 'lmdb' ? lmdbTarget : targets[query];
  const aim = (value: number, peerValue: number | undefined): Pick<Row, 'against' | 'target'> => {
    if (peerValue === undefined) return {};
    const ratio = (value * slowness) / (peerValue * 1e6);
    const against = { name: backend === 'lmdb' ? 'Flink on RocksDB, scaled' : 'Flink, scaled', ratio };
    return target === undefined ? { against } : { against, target: atLeast(ratio, target, `${String(target)} ×`) };
  };
  const isAimedPerCore = perCore !== undefined;
  const bySecond = aim(speed.eventsPerSecond, perSecond);
  return [
    {
      name,
      value: speed.eventsPerSecond,
      unit: 'events/s',
      ...(isAimedPerCore && bySecond.against !== undefined ? { against: bySecond.against } : bySecond),
    },
    { name, value: speed.eventsPerCpuSecond, unit: 'events/CPU s', ...aim(speed.eventsPerCpuSecond, perCore) },
  ];
}
