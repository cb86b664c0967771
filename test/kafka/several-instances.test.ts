import { expect, it } from 'vitest';
import { describeOnKafka, sharedCluster, openTopics } from '../helpers/kafka.js';
import { CountingClients } from '../helpers/counting-clients.js';
import { type RetriedRequest, RetryingClients } from '../helpers/retrying-clients.js';
import { shardsOf, withInstances } from '../helpers/instances.js';

const CONNECTIONS = 64;
const COUNTERS = Array.from({ length: 40 }, (_, index) => `counter-${index}`);

const INCREMENTS = 100_000;
/** With as many as there are increments, a run takes minutes. */
const REQUESTS = Number(process.env['INCREMENT_REQUESTS'] ?? 4_000);

/** 100,000, each request under a key of its own: 2,500 to each counter. */
function increments(): RetriedRequest[] {
  return Array.from({ length: REQUESTS }, (_, index) => ({
    path: `/counters/${COUNTERS[index % COUNTERS.length]}`,
    body: { amount: INCREMENTS / REQUESTS },
  }));
}

/** How many requests are that share of all. */
const after = (share: number): number => Math.round(REQUESTS * share);

describeOnKafka('Several instances', () => {
  it('share the shards evenly, and a third one takes a third of them', async () => {
    await withInstances({}, async (group) => {
      const first = await group.join();
      const second = await group.join();
      expect(await group.settled([first, second])).toEqual([8, 8]);
      const before = [shardsOf(first), shardsOf(second)];
      const third = await group.join();
      const counts = await group.settled([first, second, third]);
      expect([...counts].sort((a, b) => a - b)).toEqual([5, 5, 6]);
      const moved = [first, second].map((instance, index) =>
        before[index]?.filter((shard) => !shardsOf(instance).includes(shard)),
      );
      expect(new Set(moved.flat())).toEqual(new Set(shardsOf(third)));
    });
  });

  it.each(['heap', 'lmdb'])(
    'lose and double nothing when one joins, one is killed, one leaves: 100,000 increments are 100,000, on %s',
    async (backend) => {
      await withInstances({ args: ['--state-backend', backend] }, async (group) => {
        const first = await group.join();
        const clients = new RetryingClients([first]);
        const counting = clients.run(increments(), CONNECTIONS);
        await clients.until(after(0.125));
        const second = await group.join();
        clients.use([first, second]);
        await clients.until(after(0.375));
        const third = await group.join();
        clients.use([first, second, third]);
        await clients.until(after(0.55));
        clients.use([first, third]);
        await second.kill();
        await clients.until(after(0.75));
        clients.use([third]);
        await first.stop();
        const answers = (await counting) as { name: string; value: number }[];
        const values = await Promise.all(
          COUNTERS.map(
            async (counter) => (await third.fetch(`/counters/${counter}`)).json() as Promise<{ value: number }>,
          ),
        );
        expect(values.map(({ value }) => value)).toEqual(COUNTERS.map(() => 2_500));
        // Each answer is of another addition: none was given for two, or twice.
        expect(new Set(answers.map(({ name, value }) => `${name} ${value}`)).size).toBe(REQUESTS);
      });
    },
    600_000,
  );

  it('keeps its shards while the code of its job takes longer than the group waits for a member', async () => {
    await withInstances({}, async (group) => {
      const first = await group.join();
      const both = [first, await group.join()];
      await group.settled(both);
      const before = both.map(({ stderr }) => stderr.split('"shards of this instance"').length);
      // The instances have session time-outs of 3 s.
      const answers = await Promise.all(
        COUNTERS.slice(0, 2).map((counter) => first.post(`/counters/${counter}`, { amount: 1, busyMs: 4_500 })),
      );
      expect(answers.map(({ status }) => status)).toEqual([200, 200]);
      expect(both.map(({ stderr }) => stderr.split('"shards of this instance"').length)).toEqual(before);
    });
  });

  it('cannot commit when it was paused for too long: what it did meanwhile is done by another', async () => {
    await withInstances({}, async (group) => {
      const first = await group.join();
      const second = await group.join();
      await group.settled([first, second]);
      const clients = new CountingClients(COUNTERS, [second]);
      await clients.run(200);
      first.signal('SIGSTOP');
      await second.until(() => shardsOf(second).length === 16, 'the shards of the paused one');
      await clients.run(200);
      first.signal('SIGCONT');
      await first.until(
        () => first.stderr.includes('gone on without') || first.stderr.includes('given up'),
        'the fence',
      );
      await group.settled([first, second]);
      await clients.run(200);
      expect(clients.differences(await clients.read(first))).toEqual([]);
      const { bootstrap } = await sharedCluster();
      const topics = await openTopics(bootstrap);
      expect(await clients.changesInTopic(topics, `${group.name}-changes`)).toEqual([]);
      await topics.close();
    });
  });
});
