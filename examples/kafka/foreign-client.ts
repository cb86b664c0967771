import { randomUUID } from 'node:crypto';
import { Kafka, logLevel, Partitioners } from 'kafkajs';

/**
 * A service of another kind at both ends of a job: it writes a request to the job's request topic, with no more than a Kafka
 * client, and reads the answer from a topic of its own. No HTTP.
 *
 *     node dist/examples/kafka/foreign-client.js BROKERS COUNTER AMOUNT
 *
 * Prints the answer. The job is that of `examples/counters`.
 */
const REQUESTS = 'counters.requests.counter-requests';
const REPLIES = 'foreign-client.replies';
const ROUTE = 'POST /counters/:name';

async function main([brokers = 'localhost:9092', name = 'visits', amount = '1']: readonly string[]): Promise<void> {
  const kafka = new Kafka({ clientId: 'foreign-client', brokers: brokers.split(','), logLevel: logLevel.NOTHING });
  const admin = kafka.admin();
  // As Kafka's own Java clients: so the record comes to the shard that has the counter.
  const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner });
  const consumer = kafka.consumer({ groupId: `foreign-client-${randomUUID()}` });
  const correlationId = randomUUID();
  try {
    await admin.connect();
    await admin.createTopics({ topics: [{ topic: REPLIES, numPartitions: 1 }], waitForLeaders: true });
    await consumer.connect();
    await consumer.subscribe({ topic: REPLIES, fromBeginning: true });
    const answer = new Promise<string>((resolve, reject) => {
      consumer
        .run({
          eachMessage: ({ message: { headers, value } }) => {
            if (String(headers?.['millrace-correlation-id']) === correlationId) resolve(String(value));
            return Promise.resolve();
          },
        })
        .catch(reject);
    });
    await producer.connect();
    await producer.send({ topic: REQUESTS, messages: [requestOf({ name, amount: Number(amount), correlationId })] });
    process.stdout.write(`${await answer}\n`);
  } finally {
    await Promise.all([admin.disconnect(), producer.disconnect(), consumer.disconnect()]);
  }
}

/** What the gateway would write for `POST /counters/NAME` with the body `{"amount":AMOUNT}`. */
function requestOf({ name, amount, correlationId }: { name: string; amount: number; correlationId: string }): {
  key: string;
  value: string;
  headers: Record<string, string>;
} {
  const line = { method: 'POST', path: `/counters/${name}`, route: ROUTE, params: { name }, query: {}, headers: {} };
  return {
    key: name,
    value: JSON.stringify({ amount }),
    headers: {
      'millrace-correlation-id': correlationId,
      'millrace-reply-to': `${REPLIES}:0`,
      'millrace-request': JSON.stringify(line),
    },
  };
}

await main(process.argv.slice(2));
