import { describe, expect, it } from 'vitest';
import { murmur2 } from '../../../src/api/internal/key-groups.js';
import type { CorrelationId } from '../../../src/base/ids.js';
import type { PlanTopicSource } from '../../../src/graph/execution-plan.js';
import type { RequestEnvelope } from '../../../src/main/job-control.js';
import { RequestIngress } from '../../../src/main/request-ingress.js';
import { requestRoute } from '../../helpers/loopback-job.js';
import { readTopic } from '../../helpers/read-topic.js';
import { keepAll, withTemporaryLog } from '../../helpers/temporary-log.js';

const PARTITIONS = 16;
const source = { operatorId: 'requests', topic: 'orders', partitionCount: PARTITIONS } as PlanTopicSource;

function envelopeOf(index: number, key: RequestEnvelope['route']['key']): RequestEnvelope {
  return {
    correlationId: `id-${String(index)}` as CorrelationId,
    route: { ...requestRoute('POST /orders/:id'), key, forwardHeaders: ['accept'] },
    request: {
      method: 'POST',
      path: `/orders/${String(index)}`,
      route: 'POST /orders/:id',
      params: { id: String(index) },
      query: {},
      headers: { accept: 'text/plain', cookie: 'secret' },
      body: {},
    },
    body: Buffer.from('{ "kept":  "as it came" }'),
    deadline: 1_234,
    idempotency: null,
    traceparent: null,
    isTraced: false,
  };
}

describe('a request on its way to its topic', () => {
  it("lies in the partition that Kafka's own partitioner gives its key, with what the answer needs", async () => {
    await withTemporaryLog(async (log) => {
      await log.createTopic('orders', { partitions: PARTITIONS, ...keepAll });
      const ingress = new RequestIngress({
        port: log,
        clock: { now: () => 99 },
        replyTo: 'replies:0',
        sources: [source],
      });
      const durable: number[] = [];
      for (let index = 0; index < 200; index++) {
        ingress.submit(
          envelopeOf(index, ({ params }) => params['id']),
          { onDurable: () => void durable.push(index), onRefused: (error) => expect.fail(error.message) },
        );
      }
      await log.flush();
      expect(durable).toHaveLength(200);
      const records = await readTopic(log, 'orders');
      expect(records).toHaveLength(200);
      for (const { key, partition, value, headers } of records) {
        const bytes = Buffer.from(key ?? '');
        expect(partition).toBe((murmur2(bytes, 0, bytes.length) & 0x7fffffff) % PARTITIONS);
        expect(value).toBe('{ "kept":  "as it came" }');
        expect(headers).toMatchObject({
          'millrace-correlation-id': `id-${key ?? ''}`,
          'millrace-reply-to': 'replies:0',
          'millrace-deadline': '1234',
        });
        // Only the headers that the job asked for: others may be secrets.
        expect(JSON.parse(headers['millrace-request'] ?? '')).toMatchObject({ headers: { accept: 'text/plain' } });
        expect(headers['millrace-request']).not.toContain('secret');
      }
    });
  });

  it('goes to the partitions in turn when it has no key', async () => {
    await withTemporaryLog(async (log) => {
      await log.createTopic('orders', { partitions: PARTITIONS, ...keepAll });
      const ingress = new RequestIngress({
        port: log,
        clock: { now: () => 99 },
        replyTo: 'replies:0',
        sources: [source],
      });
      const ignored = { onDurable: () => undefined, onRefused: () => undefined };
      for (let index = 0; index < 4 * PARTITIONS; index++) ingress.submit(envelopeOf(index, null), ignored);
      await log.flush();
      expect((await log.describe('orders')).endOffsets).toEqual(Array.from({ length: PARTITIONS }, () => 4));
    });
  });

  it('is refused when the key function throws, naming the route', async () => {
    await withTemporaryLog(async (log) => {
      await log.createTopic('orders', { partitions: PARTITIONS, ...keepAll });
      const ingress = new RequestIngress({
        port: log,
        clock: { now: () => 99 },
        replyTo: 'replies:0',
        sources: [source],
      });
      const thrower = (): never => {
        throw new TypeError('no such field');
      };
      const ignored = { onDurable: () => undefined, onRefused: () => undefined };
      expect(() => ingress.submit(envelopeOf(1, thrower), ignored)).toThrow(
        expect.objectContaining({ code: 'MILLRACE_USER_FUNCTION_FAILED' }),
      );
    });
  });
});
