/**
 * The peer of the Kafka benchmarks: what somebody writes by hand for HTTP over Kafka. Fastify puts each request on a topic, a consumer of
 * the same process answers it on another, and the reply finds its request by its id. Time-outs, and as many requests waiting as
 * there is room for; no state, no recovery.
 *
 * `node build/bench/peers/fastify-kafka.js --brokers B [--sends batched]` prints one line, `{"url":"http://127.0.0.1:PORT"}`, when it
 * serves. `batched`: whatever comes while a send is under way goes with the next one. `each`: a send per request, at once.
 */
import { randomUUID } from 'node:crypto';
import { parseArgs } from 'node:util';
import { fastify } from 'fastify';
import { Kafka, logLevel, type Message, type Producer } from 'kafkajs';

const REQUEST_TIMEOUT_MS = 30_000;
const PENDING_MAX = 10_000;
/** The fewest that do: each more is a request of its own to the broker, and a batch more. */
const PARTITIONS = 1;

const { values } = parseArgs({
  options: {
    brokers: { type: 'string', default: '127.0.0.1:9092' },
    port: { type: 'string', default: '0' },
    sends: { type: 'string', default: 'batched' },
  },
});

/** Sends one batch after the other; whoever comes meanwhile is in the next one. */
class BatchingSender {
  readonly #producer: Producer;
  readonly #topic: string;
  #waiting: Message[] = [];
  #isSending = false;

  constructor(producer: Producer, topic: string) {
    this.#producer = producer;
    this.#topic = topic;
  }

  send(message: Message): void {
    this.#waiting.push(message);
    if (!this.#isSending) void this.#sendAll();
  }

  async #sendAll(): Promise<void> {
    this.#isSending = true;
    while (this.#waiting.length > 0) {
      const messages = this.#waiting;
      this.#waiting = [];
      await this.#producer.send({ topic: this.#topic, messages });
    }
    this.#isSending = false;
  }
}

const isBatched = values.sends === 'batched';
const name = `peer-${randomUUID()}`;
const topics = { requests: `${name}.requests`, replies: `${name}.replies` };
const kafka = new Kafka({ clientId: name, brokers: values.brokers.split(','), logLevel: logLevel.NOTHING });

const admin = kafka.admin();
await admin.connect();
await admin.createTopics({
  topics: Object.values(topics).map((topic) => ({ topic, numPartitions: PARTITIONS })),
  waitForLeaders: true,
});
await admin.disconnect();
const producer = kafka.producer();
await producer.connect();

function senderTo(topic: string): { send(message: Message): void } {
  if (isBatched) return new BatchingSender(producer, topic);
  return { send: (message) => void producer.send({ topic, messages: [message] }) };
}

const requests = senderTo(topics.requests);
const replies = senderTo(topics.replies);

const worker = kafka.consumer({ groupId: `${name}-worker` });
const gateway = kafka.consumer({ groupId: `${name}-gateway` });

interface Pending {
  readonly resolve: (body: string) => void;
  readonly timer: NodeJS.Timeout;
}
const pending = new Map<string, Pending>();

/** Reads a topic that is new. Resolves when the consumer has its partitions. */
async function consume(consumer: typeof worker, topic: string, take: (message: Message) => void): Promise<void> {
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  const hasJoined = new Promise((resolve) => consumer.on(consumer.events.GROUP_JOIN, resolve));
  await consumer.run({
    eachBatch: ({ batch }) => {
      for (const { key, value, headers } of batch.messages) take({ key, value, ...(headers && { headers }) });
      return Promise.resolve();
    },
  });
  await hasJoined;
}

await consume(worker, topics.requests, ({ key, value, headers }) => {
  const body: unknown = JSON.parse(String(value));
  replies.send({ key: key ?? null, value: JSON.stringify(body), ...(headers && { headers }) });
});
await consume(gateway, topics.replies, ({ value, headers }) => {
  const id = String(headers?.['id']);
  const waiting = pending.get(id);
  if (waiting === undefined) return;
  pending.delete(id);
  clearTimeout(waiting.timer);
  waiting.resolve(String(value));
});

const app = fastify({ logger: false });
app.post('/event', async (request, reply) => {
  if (pending.size >= PENDING_MAX) return reply.code(503).send();
  const id = randomUUID();
  const body = await new Promise<string | null>((resolve) => {
    const timer = setTimeout(() => {
      pending.delete(id);
      resolve(null);
    }, REQUEST_TIMEOUT_MS);
    pending.set(id, { resolve, timer });
    requests.send({ key: id, value: JSON.stringify(request.body), headers: { id } });
  });
  return body === null ? reply.code(504).send() : reply.type('application/json').send(body);
});

const url = await app.listen({ host: '127.0.0.1', port: Number(values.port) });
process.stdout.write(`${JSON.stringify({ url })}\n`);

// Nothing of it is worth keeping.
const stop = (): never => process.exit();
process.once('SIGTERM', stop);
process.once('SIGINT', stop);
