/**
 * The operators of the DataStream API on one thread, over the heap state backend of a worker: what a chain of functions
 * costs beside a loop written by hand, windows over a million keys, and a million timers.
 *
 * Every part counts what came out, and fails when that is not what has to.
 */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type * as processFunctionModule from '../../src/api/process-function.js';
import type * as windowAssignersModule from '../../src/api/window-assigners.js';
import type { KeyedStateBackend } from '../../src/api/internal/state-backend.js';
import type { ShardId } from '../../src/base/ids.js';
import type * as operatorFactoryModule from '../../src/operators/operator-factory.js';
import type { OperatorContext, Output, StreamOperator } from '../../src/operators/operator.js';
import type * as runtimeContextModule from '../../src/operators/operator-runtime-context.js';
import type * as stateStoreModule from '../../src/state/state-store.js';
import type * as fusedStepsModule from '../../src/workers/fused-steps.js';
import type * as operatorChainModule from '../../src/workers/operator-chain.js';
import { atLeast, median, type Row } from '../lib/report.js';

export interface DataStreamBenchOptions {
  /** @defaultValue 1 million */
  readonly keyCount?: number;
  /** @defaultValue 3 */
  readonly rounds?: number;
}

const SHARD_COUNT = 16;
const SHARDS = Array.from({ length: SHARD_COUNT }, (_, shard) => shard as ShardId);
/** As between two turns of a worker's loop. */
const RECORDS_PER_BATCH = 500;
const SLICE_MS = 0.5;

/** Compiled, this file lies in build/bench/micro; what it measures is the built product. */
const dist = (path: string): string => new URL(`../../../dist/${path}`, import.meta.url).href;

const { StateStore } = (await import(dist('state/state-store.js'))) as typeof stateStoreModule;
const { KeyedProcessFunction } = (await import(dist('api/process-function.js'))) as typeof processFunctionModule;
const assigners = (await import(dist('api/window-assigners.js'))) as typeof windowAssignersModule;
const { createOperator } = (await import(dist('operators/operator-factory.js'))) as typeof operatorFactoryModule;
const { OperatorRuntimeContext } = (await import(
  dist('operators/operator-runtime-context.js')
)) as typeof runtimeContextModule;
const { fusedInputs } = (await import(dist('workers/fused-steps.js'))) as typeof fusedStepsModule;
const chain = (await import(dist('workers/operator-chain.js'))) as typeof operatorChainModule;

type AnyStreamOperator = StreamOperator<unknown, unknown>;
type Spec = Parameters<typeof createOperator>[0];

/** Runs for some twenty seconds. Figures are medians over the rounds. */
export async function run(options: DataStreamBenchOptions = {}): Promise<Row[]> {
  const keyCount = options.keyCount ?? 1_000_000;
  const rounds = Array.from({ length: options.rounds ?? 3 }, (_, round) => round);
  const rows: Row[] = [measureChain(rounds)];
  const window = async (name: string, measure: () => Promise<number>, target?: number): Promise<void> => {
    const figures: number[] = [];
    for (const _ of rounds) figures.push(await measure());
    const value = median(figures);
    const met = target === undefined ? {} : { target: atLeast(value, target, `${String(target / 1_000)} k/s`) };
    rows.push({ name, value, unit: 'per second', ...met });
  };
  const tumbling = assigners.TumblingEventTimeWindows.of(60_000);
  const sliding = assigners.SlidingEventTimeWindows.of(60_000, 5_000);
  const keys = `${keyCount.toLocaleString('en')} keys`;
  await window(`tumbling count over ${keys}`, () => countWindows(tumbling, keyCount, 1, false), 500_000);
  const tenth = `${(keyCount / 10).toLocaleString('en')} keys`;
  await window(`sliding count, 12 windows a record, ${tenth}`, () => countWindows(sliding, keyCount / 10, 12, false));
  await window(`the same in shared slices`, () => countWindows(sliding, keyCount / 10, 12, true));
  // As time-outs are: each as long after its record as the others after theirs.
  const timeouts = (index: number): number => index + 60_000;
  const scattered = (index: number): number => (index * 7_919) % keyCount;
  await window(`timers of ${keys}, registered and fired: time-outs`, () => timers(keyCount, timeouts), 500_000);
  await window(`timers of ${keys}, registered and fired: at random`, () => timers(keyCount, scattered));
  return rows;
}

// ---------------------------------------------------------------------------------------------------------------- chain

interface Reading {
  readonly id: number;
  readonly celsius: number;
}

function measureChain(rounds: readonly number[]): Row {
  const readings = Array.from({ length: 1_000 }, (_, id): Reading => ({ id, celsius: id % 40 }));
  const toFahrenheit = ({ id, celsius }: Reading): { id: number; fahrenheit: number } => ({
    id,
    fahrenheit: (celsius * 9) / 5 + 32,
  });
  const isWarm = ({ fahrenheit }: { fahrenheit: number }): boolean => fahrenheit > 68;
  const label = ({ id, fahrenheit }: { id: number; fahrenheit: number }): { id: number; label: string } => ({
    id,
    label: fahrenheit > 86 ? 'hot' : 'warm',
  });
  const passes = 4_000;
  let sink = 0;
  const byHand = (): number =>
    timed(readings.length * passes, () => {
      for (let pass = 0; pass < passes; pass++) {
        for (const reading of readings) {
          const warm = toFahrenheit(reading);
          if (isWarm(warm)) sink += label(warm).label.length;
        }
      }
    });
  const tail: operatorChainModule.ChainTarget = {
    collect: (value) => {
      sink += (value as { label: string }).label.length;
    },
    emitWatermark: () => undefined,
    emitStatus: () => undefined,
  };
  const head = chainOf(
    [
      { kind: 'map', fn: toFahrenheit as (value: unknown) => unknown },
      { kind: 'filter', fn: isWarm as (value: unknown) => boolean },
      { kind: 'map', fn: label as (value: unknown) => unknown },
    ],
    tail,
  );
  const byChain = (): number =>
    timed(readings.length * passes, () => {
      for (let pass = 0; pass < passes; pass++) for (const reading of readings) head.collect(reading, 0);
    });
  const hand = rounds.map(byHand);
  const handSink = sink;
  sink = 0;
  const chained = rounds.map(byChain);
  if (sink !== handSink) throw new Error('the chain and the loop differ');
  const ratio = median(chained) / median(hand);
  return {
    name: 'map → filter → map in a chain',
    value: median(chained),
    unit: 'records/s',
    against: { name: 'a loop by hand', ratio },
    target: atLeast(ratio, 0.3, '0.3 × a loop by hand'),
  };
}

function chainOf(specs: readonly Spec[], tail: operatorChainModule.ChainTarget): operatorChainModule.ChainTarget {
  let next = tail;
  for (const spec of specs.toReversed()) {
    const tally = { numRecordsIn: 0, numRecordsOut: 0, sampleAt: Infinity };
    const operator = createOperator(spec, { writeLine: () => undefined }) as AnyStreamOperator;
    const targets = { main: [next], side: new Map() };
    operator.open(contextOf(chain.createChainOutput(targets, tally), null));
    const [input] = fusedInputs(operator, chain.inputsInto(operator, tally, null), targets, tally, null);
    if (input !== undefined) next = input;
  }
  return next;
}

// -------------------------------------------------------------------------------------------------------------- windows

/** Counts three records per key in windows of which each record falls into `perRecord`; the watermark passes them at the end. */
async function countWindows(
  assigner: windowAssignersModule.TumblingEventTimeWindows | windowAssignersModule.SlidingEventTimeWindows,
  keyCount: number,
  perRecord: number,
  isCommutative: boolean,
): Promise<number> {
  const records = keyCount * 3;
  let counted = 0;
  const output = outputOf((value) => {
    counted += value as number;
  });
  const spec: Spec = {
    kind: 'window',
    key: (value) => value,
    assigner,
    trigger: assigner.defaultTrigger(),
    evictor: null,
    allowedLatenessMs: 0,
    lateTag: null,
    aggregation: {
      kind: 'aggregate',
      aggregate: {
        createAccumulator: () => 0,
        add: (_value, count) => (count as number) + 1,
        getResult: (count) => count,
        merge: (a, b) => (a as number) + (b as number),
        isCommutative,
      },
    },
    fn: null,
  };
  const rate = await withOperator(spec, output, records, async (operator, upkeep) => {
    let key = 1;
    for (let at = 0; at < records; at += RECORDS_PER_BATCH) {
      for (let index = at; index < at + RECORDS_PER_BATCH; index++) {
        key = (key * 16_807) % 2_147_483_647;
        operator.processElement(key % keyCount, Math.floor((index * 60_000) / records));
      }
      await upkeep();
    }
    operator.processWatermark(10_000_000);
  });
  if (counted !== records * perRecord) throw new Error(`${String(counted)} counted of ${String(records * perRecord)}`);
  return rate;
}

// --------------------------------------------------------------------------------------------------------------- timers

async function timers(count: number, timeOf: (index: number) => number): Promise<number> {
  let fired = 0;
  class Alarm extends KeyedProcessFunction<number, number, number> {
    processElement(
      value: number,
      context: Parameters<processFunctionModule.KeyedProcessFunction<number, number, number>['processElement']>[1],
    ): void {
      context.timerService().registerEventTimeTimer(timeOf(value));
    }

    override onTimer(): void {
      fired++;
    }
  }
  const spec: Spec = {
    kind: 'keyed-process',
    fn: new Alarm() as unknown as processFunctionModule.KeyedProcessFunction<unknown, unknown, unknown>,
    key: (value) => value,
  };
  const rate = await withOperator(
    spec,
    outputOf(() => undefined),
    count,
    async (operator, upkeep) => {
      for (let at = 0; at < count; at += RECORDS_PER_BATCH) {
        for (let key = at; key < at + RECORDS_PER_BATCH; key++) operator.processElement(key, 0);
        await upkeep();
      }
      operator.processWatermark(count + 60_000);
    },
  );
  if (fired !== count) throw new Error(`${String(fired)} of ${String(count)} timers fired`);
  return rate;
}

// -------------------------------------------------------------------------------------------------------------- helpers

function timed(count: number, work: () => void): number {
  const startedAt = performance.now();
  work();
  return (count * 1_000) / (performance.now() - startedAt);
}

/** Runs an operator over a worker's state store. @returns how many of `count` it did in a second */
async function withOperator(
  spec: Spec,
  output: Output<unknown>,
  count: number,
  work: (operator: AnyStreamOperator, upkeep: () => Promise<void>) => Promise<void>,
): Promise<number> {
  const directory = await mkdtemp(join(tmpdir(), 'millrace-bench-'));
  const segmentDir = join(directory, 'segments');
  await mkdir(segmentDir);
  const store = await StateStore.open({
    backend: 'heap',
    namespace: 'main',
    label: 'main-0',
    stateDir: directory,
    segmentDir,
    shards: SHARDS,
    shardCount: SHARD_COUNT,
    memtableBudgetBytes: 2 ** 40,
    clock: { now: () => 0 },
    restore: null,
  });
  const operator = createOperator(spec, { writeLine: () => undefined }) as AnyStreamOperator;
  operator.open(contextOf(output, store.openBackend('operator')));
  const startedAt = performance.now();
  await work(operator, async () => {
    store.runSlice(SLICE_MS);
    if (store.hasPendingIo) await new Promise((resolve) => setImmediate(resolve));
  });
  const seconds = (performance.now() - startedAt) / 1_000;
  operator.close();
  await store.close();
  await rm(directory, { recursive: true, force: true });
  return count / seconds;
}

function outputOf(collect: (value: unknown) => void): Output<unknown> {
  return { collect, collectSide: () => undefined, emitWatermark: () => undefined, emitStatus: () => undefined };
}

function contextOf(output: Output<unknown>, keyedState: KeyedStateBackend | null): OperatorContext<unknown> {
  const taskInfo = {
    jobName: 'bench',
    taskName: 'operator',
    parallelism: 1,
    indexOfThisSubtask: 0,
    attemptNumber: 0,
  };
  return {
    runtime: new OperatorRuntimeContext(taskInfo, keyedState, { nowMs: () => 0 }),
    output,
    keyedState,
    operatorState: { restored: () => undefined },
    processingTime: { now: () => 0, nowMs: () => 0, registerTimer: () => undefined, registerDelay: () => undefined },
    scope: { request: null, originSource: 0, originPartition: -1, originOffset: 0, originTime: 0 },
    responder: { respond: () => undefined },
    counters: { numLateRecordsDropped: 0, numFiredTimers: 0 },
    operatorId: 'operator',
  };
}
