/** `POST /keys/:key` counts its calls per key, and answers with the count. For measurements of restarts on state that is there. */
import {
  type Collector,
  defineJob,
  type KeyedProcessContext,
  KeyedProcessFunction,
  type RuntimeContext,
  type ValueState,
  valueState,
} from 'millrace';

class Count extends KeyedProcessFunction<string, unknown, { count: number }> {
  #count: ValueState<number> | undefined;

  override open(context: RuntimeContext): void {
    this.#count = context.getState(valueState<number>('count'));
  }

  override processElement(
    _value: unknown,
    _context: KeyedProcessContext<string>,
    out: Collector<{ count: number }>,
  ): void {
    const count = (this.#count?.value() ?? 0) + 1;
    this.#count?.update(count);
    out.collect({ count });
  }
}

export default defineJob('stored-counter', (env) => {
  env
    .requests('POST /keys/:key', { key: (request) => request.params['key'] ?? '' })
    .uid('keys')
    .process(new Count())
    .uid('count')
    .respond()
    .uid('answers');
});
