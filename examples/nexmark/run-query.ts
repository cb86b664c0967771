import { defineJob, functionSink, generator, MillraceError, WatermarkStrategy } from 'millrace';
import type { DataStream, JobDefinition, StreamEnvironment } from 'millrace';
import { JobDriver } from 'millrace/testing';
import { timeOf } from './events.js';
import type { Auction, Bid, NexmarkEvent, Person } from './events.js';
import { MaterialisedTable } from './materialised.js';
import { queries } from './queries.js';

/** How much later than the latest event before it an event may come. */
const OUT_OF_ORDERNESS_MS = 2_000;
/** The clock after the input, so that windows of the clock have ended. */
const AFTER_INPUT_MS = 3_600_000;

export interface RunOptions {
  readonly query: string;
  readonly events: readonly NexmarkEvent[];
  readonly sideInput: ReadonlyMap<number, string>;
  /** @defaultValue 1 */
  readonly parallelism?: number;
}

/** Runs a query over events in memory. @returns the lines of its result, sorted. */
export function runQuery(options: RunOptions): string[] {
  const table = new MaterialisedTable();
  const driver = new JobDriver(nexmarkJob(options, table), { parallelism: options.parallelism ?? 1 });
  driver.runSources();
  driver.setProcessingTime(AFTER_INPUT_MS);
  driver.endInput();
  driver.close();
  return table.lines();
}

function nexmarkJob({ query, events, sideInput }: RunOptions, table: MaterialisedTable): JobDefinition {
  const define = queries.get(query);
  if (define === undefined) {
    throw new MillraceError('MILLRACE_CONFIG_INVALID', `there is no query "${query}"`, {
      hint: `Choose one of ${[...queries.keys()].join(', ')}.`,
    });
  }
  return defineJob('nexmark', (env) => {
    const all = readEvents(env, events);
    const inputs = {
      persons: all.flatMap<Person>((event, out) => event.event_type === 0 && out.collect(event.person)),
      auctions: all.flatMap<Auction>((event, out) => event.event_type === 1 && out.collect(event.auction)),
      bids: all.flatMap<Bid>((event, out) => event.event_type === 2 && out.collect(event.bid)),
      sideInput,
    };
    define(inputs).sinkTo(functionSink((change) => table.apply(change)));
  });
}

/** The watermark follows each event at once, so that results do not depend on when it is looked at. */
function readEvents(env: StreamEnvironment, events: readonly NexmarkEvent[]): DataStream<NexmarkEvent> {
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
  return env.fromSource(
    generator((index) => events[index]),
    strategy,
  );
}
