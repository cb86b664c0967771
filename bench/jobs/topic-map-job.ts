import { defineJob, jsonSerde, topic, topicSink, WatermarkStrategy } from 'millrace';

interface Order {
  readonly id: string;
  readonly amount: number;
  readonly note: string;
}

/** From one topic to another, with one change: both are named by the environment. */
export default defineJob('topic-map', (env) => {
  env
    .fromSource(topic<Order>(process.env['BENCH_FROM'] ?? '', jsonSerde<Order>()), WatermarkStrategy.noWatermarks())
    .uid('orders')
    .map(({ id, amount, note }) => ({ id, amount: amount * 2, note }))
    .sinkTo(topicSink(process.env['BENCH_TO'] ?? '', jsonSerde(), { guarantee: 'at-least-once' }))
    .uid('doubled');
});
