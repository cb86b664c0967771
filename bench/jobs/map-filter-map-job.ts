import { defineJob, functionSink } from 'millrace';
import { TimedSink } from './timed-sink.js';

const COUNT = Number(process.env['BENCH_RECORDS'] ?? 1_000_000);

/** Three operators of one chain, on integers; every second record passes. */
export default defineJob('map-filter-map', (env) => {
  env
    .fromGenerator((index) => (index < COUNT ? index : undefined))
    .map((value) => value + 1)
    .filter((value) => (value & 1) === 0)
    .map((value) => value * 3)
    .sinkTo(functionSink(new TimedSink()));
});
