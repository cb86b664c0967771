/**
 * The peer of the stream benchmark: a bare consume-and-produce loop. Each batch of records is parsed, changed, and sent in one call;
 * its offsets are committed behind it, as kafkajs does by itself.
 *
 * `node build/bench/peers/kafka-map.js --brokers B --from TOPIC --to TOPIC` runs until it is ended.
 */
import { randomUUID } from 'node:crypto';
import { parseArgs } from 'node:util';
import { Kafka, logLevel } from 'kafkajs';

const { values } = parseArgs({
  options: {
    brokers: { type: 'string', default: '127.0.0.1:9092' },
    from: { type: 'string', default: '' },
    to: { type: 'string', default: '' },
  },
});

/** A batch that was fetched may be larger, written anew, than what a broker takes in one. */
const SEND_RECORDS_MAX = 4_000;

const name = `peer-${randomUUID()}`;
const kafka = new Kafka({ clientId: name, brokers: values.brokers.split(','), logLevel: logLevel.NOTHING });
const producer = kafka.producer();
const consumer = kafka.consumer({ groupId: name });
await producer.connect();
await consumer.connect();
await consumer.subscribe({ topic: values.from, fromBeginning: true });
await consumer.run({
  eachBatch: async ({ batch }) => {
    const messages = batch.messages.map(({ key, value }) => {
      const { id, amount, note } = JSON.parse(String(value)) as { id: string; amount: number; note: string };
      return { key, value: JSON.stringify({ id, amount: amount * 2, note }) };
    });
    for (let first = 0; first < messages.length; first += SEND_RECORDS_MAX) {
      await producer.send({ topic: values.to, messages: messages.slice(first, first + SEND_RECORDS_MAX) });
    }
  },
});

// Nothing of it is worth keeping.
process.once('SIGTERM', () => process.exit());
