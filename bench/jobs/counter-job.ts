import {
  type Collector,
  defineJob,
  functionSink,
  type KeyedProcessContext,
  KeyedProcessFunction,
  type RuntimeContext,
  type ValueState,
  valueState,
} from 'millrace';
import { TimedSink } from './timed-sink.js';

const COUNT = Number(process.env['BENCH_RECORDS'] ?? 1_000_000);
const PARALLELISM = Number(process.env['BENCH_PARALLELISM'] ?? 1);
const KEYS = 1_000_000;

class Count extends KeyedProcessFunction<number, number, number> {
  #count: ValueState<number> | undefined;

  override open(context: RuntimeContext): void {
    this.#count = context.getState(valueState<number>('count'));
  }

  override processElement(_value: number, _context: KeyedProcessContext<number>, out: Collector<number>): void {
    const next = (this.#count?.value() ?? 0) + 1;
    this.#count?.update(next);
    out.collect(next);
  }
}

/** Integers, keyed by one of a million, counted per key: a whole job, exchange included. */
export default defineJob('keyed-counter', (env) => {
  env
    .fromGenerator((index) => (index < COUNT ? index : undefined))
    .setParallelism(PARALLELISM)
    .keyBy((value) => value % KEYS)
    .process(new Count())
    .uid('count')
    .sinkTo(functionSink(new TimedSink()));
});
