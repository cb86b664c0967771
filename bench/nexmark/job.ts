/**
 * A Nexmark query as a job of its own: the generator runs in the workers as the source, results go nowhere. What the job is
 * to do stands in the environment: see {@link NexmarkRun}.
 */
import { writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import {
  type DataStream,
  defineJob,
  functionSink,
  generator,
  type RuntimeContext,
  type StreamEnvironment,
  WatermarkStrategy,
} from 'millrace';
import type * as eventsModule from '../../examples/nexmark/events.js';
import type * as generatorModule from '../../examples/nexmark/generator.js';
import type * as queriesModule from '../../examples/nexmark/queries.js';
import type { NexmarkRun, Stamp } from './run.js';

type NexmarkEvent = eventsModule.NexmarkEvent;

/** Compiled, this file lies in build/bench/nexmark; the examples are part of what is measured. */
const examples = new URL('../../../dist/examples/nexmark/', import.meta.url);
const { NexmarkGenerator } = (await import(new URL('generator.js', examples).href)) as typeof generatorModule;
const { queries } = (await import(new URL('queries.js', examples).href)) as typeof queriesModule;
const { timeOf } = (await import(new URL('events.js', examples).href)) as typeof eventsModule;

const run = JSON.parse(process.env['NEXMARK_RUN'] ?? '') as NexmarkRun;
const isCheck = run.rowsDir !== null;
const OUT_OF_ORDERNESS_MS = 2_000;
const SMALL_SET = { baseTime: 1_436_918_300_000, msNumerator: 10, msDenominator: 1 };
/** 10,000 events per second. */
const LARGE_SET = { baseTime: 1_436_918_300_000, msNumerator: 1, msDenominator: 10 };

export default defineJob('nexmark', (env) => {
  const all = isCheck ? smallSet(env) : largeSet(env);
  if (run.query === 'generator') {
    all.sinkTo(functionSink(new StampingSink()));
    return;
  }
  const define = queries.get(run.query);
  if (define === undefined) throw new Error(`there is no query ${run.query}`);
  // One subtask up to the shuffle for the small set: which of its records are late must not depend on who is ahead.
  const parallelism = isCheck ? 1 : run.parallelism;
  const result = define({
    get persons() {
      return all
        .flatMap<eventsModule.Person>((event, out) => {
          if (event.event_type === 0) out.collect(event.person);
        })
        .setParallelism(parallelism);
    },
    get auctions() {
      return all
        .flatMap<eventsModule.Auction>((event, out) => {
          if (event.event_type === 1) out.collect(event.auction);
        })
        .setParallelism(parallelism);
    },
    get bids() {
      return all
        .flatMap<eventsModule.Bid>((event, out) => {
          if (event.event_type === 2) out.collect(event.bid);
        })
        .setParallelism(parallelism);
    },
    sideInput: new Map(),
  });
  if (isCheck) result.sinkTo(functionSink(new RowsFile()));
  else result.sinkTo(functionSink(new StampingSink()));
});

/** Events in the order of their numbers. The first subtask notes when the warm-up is over. */
function largeSet(env: StreamEnvironment): DataStream<NexmarkEvent> {
  const events = new NexmarkGenerator(LARGE_SET);
  const { warmUpEvents, eventCount, parallelism } = run;
  // Subtask 0 of the source has the numbers that its parallelism divides.
  const firstMeasured = warmUpEvents - (warmUpEvents % parallelism);
  const source = generator((number: number): NexmarkEvent | undefined => {
    if (number === firstMeasured) stamp('start');
    return number < eventCount ? events.event(number) : undefined;
  });
  const strategy =
    WatermarkStrategy.boundedOutOfOrderness<NexmarkEvent>(OUT_OF_ORDERNESS_MS).withTimestampAssigner(timeOf);
  return env.fromSource(source, strategy).uid('events').setParallelism(parallelism);
}

/** The watermark follows each event at once, so that results do not depend on when it is looked at. */
function smallSet(env: StreamEnvironment): DataStream<NexmarkEvent> {
  const events = new NexmarkGenerator(SMALL_SET).inOrderOfArrival(run.eventCount);
  const strategy = WatermarkStrategy.forGenerator<NexmarkEvent>(() => {
    let latest = -Infinity;
    return {
      onEvent: (_event, timestamp, output) => {
        latest = Math.max(latest, timestamp);
        output.emitWatermark(latest - OUT_OF_ORDERNESS_MS);
      },
      onPeriodicEmit: () => undefined,
    };
  }).withTimestampAssigner(timeOf);
  return env
    .fromSource(
      generator((number) => events[number]),
      strategy,
    )
    .uid('events');
}

/** Keeps every change, and writes them to a file of this subtask at the end. */
class RowsFile {
  readonly #lines: string[] = [];
  #subtask = 0;

  open(context: RuntimeContext): void {
    this.#subtask = context.taskInfo.indexOfThisSubtask;
  }

  invoke(change: eventsModule.RowChange): void {
    this.#lines.push(JSON.stringify(change));
  }

  close(): void {
    writeFileSync(join(run.rowsDir ?? '', `${String(this.#subtask)}.jsonl`), this.#lines.join('\n'));
  }
}

/** Takes everything, keeps nothing, and notes when the stream has ended: the checkpoint at the end is none of the work. */
class StampingSink {
  invoke(): void {
    // Results are not the subject here: the small set has shown that they are right.
  }

  finish(): void {
    stamp('end');
  }
}

function stamp(kind: Stamp['kind']): void {
  const { user, system } = process.cpuUsage();
  const cpuMs = (user + system) / 1000;
  const noted: Stamp = { kind, atMs: performance.timeOrigin + performance.now(), cpuMs };
  // Straight to standard output: a worker's stream would not be flushed when the process ends.
  writeSync(1, `${JSON.stringify(noted)}\n`);
}
