import { defineJob, functionSink } from 'millrace';
import { TimedSink } from './timed-sink.js';

const COUNT = Number(process.env['BENCH_RECORDS'] ?? 1_000_000);
const PARALLELISM = Number(process.env['BENCH_PARALLELISM'] ?? 1);

/** Integers through a hash exchange, no state; at parallelism 2 every second one changes threads. */
export default defineJob('integers', (env) => {
  env
    .fromGenerator((index) => (index < COUNT ? index : undefined))
    .setParallelism(PARALLELISM)
    .keyBy((value) => value)
    .map((value) => value + 1)
    .sinkTo(functionSink(new TimedSink()));
});
