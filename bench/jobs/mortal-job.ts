/**
 * Keys that count, for measurements of recovery. `POST /load` makes many of them, `POST /keys/:key` adds to one; with
 * `dieOnce` it ends the thread of the worker, in one attempt of the job per value.
 */
import {
  type Collector,
  defineJob,
  type KeyedProcessContext,
  KeyedProcessFunction,
  type RuntimeContext,
  type ValueState,
  valueState,
} from 'millrace';

interface Addition {
  readonly key: string;
  readonly add: number;
  readonly dieOnce: number | null;
  /** Of the additions of one request the last answers it. */
  readonly isLast: boolean;
}

interface Sum {
  readonly key: string;
  readonly value: number;
}

class Count extends KeyedProcessFunction<string, Addition, Sum> {
  #count: ValueState<number> | undefined;
  #attempt = 0;

  override open(context: RuntimeContext): void {
    this.#count = context.getState(valueState<number>('count'));
    this.#attempt = context.taskInfo.attemptNumber;
  }

  override processElement(
    { key, add, dieOnce, isLast }: Addition,
    _context: KeyedProcessContext<string>,
    out: Collector<Sum>,
  ): void {
    if (dieOnce !== null && this.#attempt <= dieOnce) process.exit(1);
    const value = (this.#count?.value() ?? 0) + add;
    this.#count?.update(value);
    if (isLast) out.collect({ key, value });
  }
}

export default defineJob('mortal', (env) => {
  const loads = env
    .requests('POST /load')
    .uid('loads')
    .flatMap<Addition>((request, out) => {
      const { from, count } = request.body as { from: number; count: number };
      for (let index = from; index < from + count; index++) {
        out.collect({ key: `key-${String(index)}`, add: 1, dieOnce: null, isLast: index === from + count - 1 });
      }
    })
    .uid('makes-keys');
  env
    .requests('POST /keys/:key', { key: (request) => request.params['key'] })
    .uid('adds')
    .map(({ params, body }): Addition => {
      const { add = 0, dieOnce = null } = body as { add?: number; dieOnce?: number };
      return { key: params['key'] ?? '', add, dieOnce, isLast: true };
    })
    .uid('parses')
    .union(loads)
    .keyBy(({ key }) => key)
    .process(new Count())
    .uid('counts')
    .respond()
    .uid('answers');
});
