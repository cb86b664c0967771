import { defineJob, functionSink } from 'millrace';
import { TimedSink } from './timed-sink.js';

const PARALLELISM = Number(process.env['BENCH_PARALLELISM'] ?? 1);
const COUNT = Number(process.env['BENCH_RECORDS'] ?? 1_000_000);

/** Five-field objects through a hash exchange, no state: what a record pays for changing its task. */
export default defineJob('shuffle', (env) => {
  env
    .fromGenerator((index) =>
      index < COUNT ? { id: index, user: index % 10_007, price: index * 3, kind: 'bid', open: true } : undefined,
    )
    .setParallelism(PARALLELISM)
    .keyBy((record) => record.user)
    .map((record) => record.price)
    .sinkTo(functionSink(new TimedSink()));
});
