import { defineJob, functionSink } from 'millrace';
import { TimedSink } from './timed-sink.js';

const COUNT = Number(process.env['BENCH_RECORDS'] ?? 1_000_000);
const PARALLELISM = Number(process.env['BENCH_PARALLELISM'] ?? 1);
const BYTES = Number(process.env['BENCH_PAYLOAD_BYTES'] ?? 100);

/** An integer and a text of so many bytes through a hash exchange, no state. */
export default defineJob('payload', (env) => {
  const text = 'x'.repeat(BYTES);
  env
    .fromGenerator((index) => (index < COUNT ? { id: index, text } : undefined))
    .setParallelism(PARALLELISM)
    .keyBy((record) => record.id)
    .map((record) => record.id)
    .sinkTo(functionSink(new TimedSink()));
});
