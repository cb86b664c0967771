import { describe, expect, it } from 'vitest';
import type { EmbeddedLog } from '../../../src/connectors/log/embedded-log.js';
import type { IngressChannel as IngressPlan, PlanTopicSource } from '../../../src/graph/execution-plan.js';
import { ExpiredRequests } from '../../../src/main/expired-requests.js';
import { IngressChannel, IngressRouter } from '../../../src/main/ingress-router.js';
import { ChannelOutput } from '../../../src/protocol/channel-output.js';
import { BARRIER, TOPIC_BATCH } from '../../../src/protocol/stream-element.js';
import { TopicRecordCursor } from '../../../src/protocol/topic-record-codec.js';
import { ChannelReader } from '../../../src/shared-memory/channel-reader.js';
import { ChannelWriter } from '../../../src/shared-memory/channel-writer.js';
import { Doorbell } from '../../../src/shared-memory/doorbell.js';
import { readTopic } from '../../helpers/read-topic.js';
import { makeDuplex } from '../../helpers/shared-memory.js';
import { keepAll, withTemporaryLog } from '../../helpers/temporary-log.js';

const TOPIC = 'orders';
const source = { operatorId: 'orders', topic: TOPIC } as PlanTopicSource;

/** Main's end and the worker's end of one ingress channel, reading partition 0. */
function setUp(log: EmbeddedLog, ringBytes: number, expired: ExpiredRequests | null = null) {
  const { a, b, aToB } = makeDuplex(ringBytes);
  const failures: Error[] = [];
  const channel = new IngressChannel({
    plan: { partitions: [0] } as unknown as IngressPlan,
    source,
    output: new ChannelOutput(new ChannelWriter(aToB, { consumer: new Doorbell(b) }), TOPIC_BATCH),
    port: log,
    positions: new Map([[0, 0]]),
    expired,
    isHeld: null,
    onFailure: (error) => void failures.push(error),
  });
  const reader = new ChannelReader(aToB, { producer: new Doorbell(a) });
  const taken: (number | string)[] = [];
  const take = (): void => {
    const cursor = new TopicRecordCursor();
    while (reader.poll()) {
      if (reader.kind === BARRIER) taken.push('barrier');
      else {
        cursor.open(reader.frame, reader.start, reader.end);
        while (cursor.advance()) taken.push(cursor.offset);
      }
      reader.release();
    }
  };
  return { router: new IngressRouter([channel]), channel, take, taken, failures };
}

async function append(log: EmbeddedLog, values: readonly string[], deadlines: readonly number[] = []): Promise<void> {
  for (const [index, value] of values.entries()) {
    const deadline = deadlines[index];
    log.append(
      TOPIC,
      {
        partition: 0,
        key: null,
        value: Buffer.from(value),
        headers: deadline === undefined ? [] : [['millrace-deadline', Buffer.from(String(deadline))]],
        timestamp: 1,
      },
      null,
    );
  }
  await log.flush();
}

/** For a machine that has other things to do. */
const patient = { timeout: 20_000 };

const offsets = (count: number): number[] => Array.from({ length: count }, (_, offset) => offset);

describe('a source that main feeds', () => {
  it('leaves records in the topic while the ring is full, and goes on in order when there is room', async () => {
    await withTemporaryLog(async (log) => {
      await log.createTopic(TOPIC, { partitions: 1, ...keepAll });
      await append(
        log,
        Array.from({ length: 400 }, () => 'x'.repeat(2_000)),
      );
      const { router, channel, take, taken, failures } = setUp(log, 65_536);
      router.start();
      await expect.poll(() => channel.isWaiting, patient).toBe(true);
      // The ring, one batch, and what was being written: not a whole poll of 512 records.
      const beforeRoom = channel.numRecordsIn;
      expect(beforeRoom).toBeLessThan(60);
      expect(router.resume()).toBe(false);
      expect(channel.numRecordsIn).toBe(beforeRoom);
      await expect
        .poll(
          () => {
            take();
            router.resume();
            return taken.length;
          },
          { timeout: 20_000, interval: 5 },
        )
        .toBe(400);
      expect(taken).toEqual(offsets(400));
      expect(failures).toEqual([]);
      router.stop();
    });
  });

  it('puts a barrier behind what it has forwarded, and names the offset after that', async () => {
    await withTemporaryLog(async (log) => {
      await log.createTopic(TOPIC, { partitions: 1, ...keepAll });
      await append(log, ['a', 'b', 'c']);
      const { router, channel, take, taken } = setUp(log, 65_536);
      router.start();
      await expect.poll(() => channel.numRecordsIn, patient).toBe(3);
      expect(router.emitBarriers(5)).toEqual(new Map([['orders', new Map([[0, 3]])]]));
      take();
      expect(taken).toEqual([0, 1, 2, 'barrier']);
      router.stop();
    });
  });

  it('holds a partition that is too far ahead of others, reads its other partitions on, and goes on when asked to', async () => {
    await withTemporaryLog(async (log) => {
      await log.createTopic(TOPIC, { partitions: 2, ...keepAll });
      for (let index = 0; index < 200; index++) {
        log.append(
          TOPIC,
          { partition: index % 2, key: null, value: Buffer.from('x'), headers: [], timestamp: 1 },
          null,
        );
      }
      await log.flush();
      const held = new Set([1]);
      const { a, b, aToB } = makeDuplex(65_536);
      const channel = new IngressChannel({
        plan: { partitions: [0, 1] } as unknown as IngressPlan,
        source,
        output: new ChannelOutput(new ChannelWriter(aToB, { consumer: new Doorbell(b) }), TOPIC_BATCH),
        port: log,
        positions: new Map(),
        expired: null,
        isHeld: (partition) => held.has(partition),
        onFailure: (error) => expect.unreachable(error.message),
      });
      const router = new IngressRouter([channel]);
      router.start();
      await expect.poll(() => channel.numRecordsIn, { timeout: 20_000 }).toBe(100);
      // The barrier does not wait for what is held.
      expect(router.emitBarriers(1).get('orders')).toEqual(
        new Map([
          [0, 100],
          [1, 0],
        ]),
      );
      held.clear();
      await expect
        .poll(
          () => {
            router.pumpAligned();
            return channel.positions();
          },
          { timeout: 20_000 },
        )
        .toEqual(
          new Map([
            [0, 100],
            [1, 100],
          ]),
        );
      router.stop();
      expect(new ChannelReader(aToB, { producer: new Doorbell(a) }).poll()).toBe(true);
    });
  });

  it('drops what has expired once the journal holds it, and a later run drops exactly the same', async () => {
    await withTemporaryLog(async (log) => {
      await log.createTopic(TOPIC, { partitions: 1, ...keepAll });
      let now = 1_000;
      const clock = { now: () => now };
      const first = setUp(log, 65_536, await ExpiredRequests.open(log, TOPIC, clock));
      await append(log, ['a', 'b', 'c', 'd'], [2_000, 500, 2_000, 500]);
      first.router.start();
      await expect
        .poll(() => {
          first.take();
          return first.taken;
        }, patient)
        .toEqual([0, 2]);
      expect(first.channel.numRecordsExpired).toBe(2);
      expect(first.router.isSettled).toBe(true);
      first.router.stop();
      await log.flush();
      expect((await readTopic(log, `${TOPIC}.expired`)).map(({ value }) => value)).toEqual(['1', '3']);

      // Long after: what ran before runs again, however old it is by now.
      now = 1_000_000;
      const second = setUp(log, 65_536, await ExpiredRequests.open(log, TOPIC, clock));
      second.router.start();
      await expect
        .poll(() => {
          second.take();
          return second.taken;
        }, patient)
        .toEqual([0, 2]);
      second.router.stop();
    });
  });

  it('says when a record has been forwarded, and waits no longer than it is told', async () => {
    await withTemporaryLog(async (log) => {
      await log.createTopic(TOPIC, { partitions: 1, ...keepAll });
      await append(log, ['a']);
      const { router, channel } = setUp(log, 65_536);
      const { signal } = new AbortController();
      const forwarded: string[] = [];
      const first = channel.whenForwarded({ partition: 0, offset: 0 }, signal).then(() => forwarded.push('first'));
      const second = channel.whenForwarded({ partition: 0, offset: 1 }, signal).then(() => forwarded.push('second'));
      const cut = new AbortController();
      const never = channel.whenForwarded({ partition: 0, offset: 2 }, cut.signal);
      router.start();
      await first;
      expect(forwarded).toEqual(['first']);
      cut.abort(new Error('enough'));
      await expect(never).rejects.toThrow('enough');
      await append(log, ['b']);
      await second;
      // Of a partition that the channel does not read there is nothing to wait for.
      await channel.whenForwarded({ partition: 7, offset: 0 }, signal);
      router.stop();
    });
  });
});
