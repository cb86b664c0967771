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
const KEYS = Number(process.env['BENCH_KEYS'] ?? 1_000_000);
/** Steps of a loop, of about a nanosecond each, that a record costs beside its count. */
const WORK = Number(process.env['BENCH_WORK'] ?? 0);

class Count extends KeyedProcessFunction<number, number, number> {
  #count: ValueState<number> | undefined;

  override open(context: RuntimeContext): void {
    this.#count = context.getState(valueState<number>('count'));
  }

  override processElement(value: number, _context: KeyedProcessContext<number>, out: Collector<number>): void {
    const next = (this.#count?.value() ?? 0) + (WORK === 0 ? 1 : compute(value));
    this.#count?.update(next);
    out.collect(next);
  }
}

/** @returns 1, in a way that no compiler sees through */
function compute(value: number): number {
  let state = value | 0;
  for (let step = 0; step < WORK; step++) state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
  return state === 1.5 ? 2 : 1;
}

/** Integers, keyed by one of a million or so many, counted per key: a whole job, exchange included. */
export default defineJob('keyed-counter', (env) => {
  env
    .fromGenerator((index) => (index < COUNT ? index : undefined))
    .setParallelism(PARALLELISM)
    .keyBy((value) => value % KEYS)
    .process(new Count())
    .uid('count')
    .sinkTo(functionSink(new TimedSink()));
});
