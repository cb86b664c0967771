import { defineJob, jsonSerde, topic, topicSink, WatermarkStrategy } from 'millrace';

interface Order {
  readonly amount: number;
}

/** From one topic to another, with one change: both are named by the environment. */
export default defineJob('topic-map', (env) => {
  env
    .fromSource(topic<Order>(process.env['BENCH_FROM'] ?? '', jsonSerde<Order>()), WatermarkStrategy.noWatermarks())
    .uid('orders')
    .map((order) => ({ ...order, amount: order.amount * 2 }))
    .sinkTo(topicSink(process.env['BENCH_TO'] ?? '', jsonSerde(), { guarantee: 'at-least-once' }))
    .uid('doubled');
});
