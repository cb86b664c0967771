import { defineJob, KeyedProcessFunction, valueState } from 'millrace';
import type { Collector, HttpRequest, KeyedProcessContext, RuntimeContext, ValueState } from 'millrace';

export interface Visit {
  readonly page: string;
  readonly visits: number;
}

/** Counts the visits of each page. The count is state: it survives restarts, and `kill -9`. */
export class CountVisits extends KeyedProcessFunction<string, HttpRequest, Visit> {
  #visits: ValueState<number> | undefined;

  override open(context: RuntimeContext) {
    this.#visits = context.getState(valueState<number>('visits'));
  }

  override processElement(_request: HttpRequest, context: KeyedProcessContext<string>, out: Collector<Visit>) {
    const visits = (this.#visits?.value() ?? 0) + 1;
    this.#visits?.update(visits);
    out.collect({ page: context.getCurrentKey(), visits });
  }
}

/** Imported by the main thread and by every worker: it must build the same graph each time. */
export default defineJob('visits', (env) => {
  env
    .requests('POST /visits/:page', { key: (request) => request.params.page })
    .process(new CountVisits())
    .uid('visits')
    .respond();
});
