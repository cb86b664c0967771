import { expect, it, vi } from 'vitest';
import { describeOnKafka, kafkaService, sharedCluster, openTopics, uniqueName } from '../helpers/kafka.js';
import { CountingClients } from '../helpers/counting-clients.js';
import { ServiceProcess } from '../helpers/service-process.js';
import { withTemporaryDirectory } from '../helpers/temporary-directory.js';

const COUNTERS = Array.from({ length: 40 }, (_, index) => `counter-${index}`);

/** Instances of one group, with a folder for the state of shards that move. */
async function withGroup(use: (group: Group) => Promise<void>): Promise<void> {
  await withTemporaryDirectory(async (folder) => {
    const group = new Group(uniqueName('group'), folder);
    try {
      await use(group);
    } finally {
      await Promise.all(group.instances.map((instance) => instance.dispose()));
    }
  });
}

class Group {
  readonly instances: ServiceProcess[] = [];
  readonly job: string;
  readonly #folder: string;

  constructor(job: string, folder: string) {
    this.job = job;
    this.#folder = folder;
  }

  /** Starts another instance, and waits until it has shards. */
  async join(): Promise<ServiceProcess> {
    const args = [
      '--kafka-state-store',
      this.#folder,
      '--kafka-session-timeout-ms',
      '3000',
      '--checkpoint-interval-ms',
      '300',
    ];
    const instance = await ServiceProcess.start(
      await kafkaService(this.job, { args: [...args, '--log-format', 'json'] }),
    );
    this.instances.push(instance);
    await instance.until(() => shardsOf(instance).length > 0, 'shards');
    return instance;
  }

  /** Waits until the shards of these instances are settled: each has one owner. */
  async settled(instances: readonly ServiceProcess[]): Promise<number[]> {
    const counts = (): number[] => instances.map((instance) => shardsOf(instance).length);
    await vi.waitUntil(
      () => new Set(instances.flatMap(shardsOf)).size === 16 && counts().reduce((a, b) => a + b) === 16,
      {
        timeout: 60_000,
      },
    );
    return counts();
  }
}

/** What an instance says that it runs. */
function shardsOf(instance: ServiceProcess): readonly number[] {
  const lines = instance.stderr.split('\n').filter((line) => line.includes('"shards of this instance"'));
  const last = lines.at(-1);
  return last === undefined ? [] : (JSON.parse(last) as { shards: number[] }).shards;
}

describeOnKafka('Several instances', () => {
  it('share the shards evenly, and a third one takes a third of them', async () => {
    await withGroup(async (group) => {
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

  it('lose and double nothing when one joins, one is killed, one leaves: every increment counts once', async () => {
    await withGroup(async (group) => {
      const first = await group.join();
      const clients = new CountingClients(COUNTERS, [first]);
      const counting = clients.run(4_000);
      await clients.until(500);
      const second = await group.join();
      clients.use([first, second]);
      await clients.until(1_500);
      const third = await group.join();
      clients.use([first, second, third]);
      await clients.until(2_200);
      clients.use([first, third]);
      await second.kill();
      await clients.until(3_000);
      clients.use([third]);
      await first.stop();
      await counting;
      const values = await clients.read(third);
      expect(clients.differences(values)).toEqual([]);
    });
  });

  it('cannot commit when it was paused for too long: what it did meanwhile is done by another', async () => {
    await withGroup(async (group) => {
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
      expect(await clients.changesInTopic(topics, `${group.job}-changes`)).toEqual([]);
      await topics.close();
    });
  });
});
