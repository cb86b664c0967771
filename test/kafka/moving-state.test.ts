import { expect, it } from 'vitest';
import { CountingClients } from '../helpers/counting-clients.js';
import { type Instances, shardsOf, stateTakenOver, type TakenOverState, withInstances } from '../helpers/instances.js';
import { describeOnKafka } from '../helpers/kafka.js';
import type { ServiceProcess } from '../helpers/service-process.js';
import { withTemporaryDirectory } from '../helpers/temporary-directory.js';

/** Some in each shard. */
const COUNTERS = Array.from({ length: 200 }, (_, index) => `counter-${index}`);
/** With so many checkpoints that bases are copied into the store soon. */
const LMDB = { args: ['--state-backend', 'lmdb', '--checkpoint-min-pause-ms', '0'], checkpointIntervalMs: 50 };

async function untilItHas(instance: ServiceProcess, shards: number): Promise<TakenOverState | null> {
  await instance.until(() => shardsOf(instance).length === shards, `${shards} shards`);
  return stateTakenOver(instance);
}

/** Counts until every base that has changed lies in the store as well. */
async function countUntilCopied(clients: CountingClients, instance: ServiceProcess): Promise<void> {
  const isCopied = (): boolean => instance.stderr.includes('copies of all changed state');
  while (!isCopied()) await clients.run(200);
}

async function expectExact(clients: CountingClients, group: Instances, instance: ServiceProcess): Promise<void> {
  expect(clients.differences(await clients.read(instance)), group.name).toEqual([]);
}

describeOnKafka('State on lmdb', () => {
  it('goes to another instance, and what lies here and is current is not fetched again', async () => {
    await withTemporaryDirectory(async (dir) => {
      await withInstances(LMDB, async (group) => {
        let first = await group.join({ dataDir: `${dir}/first` });
        const clients = new CountingClients(COUNTERS, [first]);
        await countUntilCopied(clients, first);

        let second = await group.join({ dataDir: `${dir}/second` });
        await group.settled([first, second]);
        expect(stateTakenOver(second), 'a new instance has nothing').toMatchObject({ keptBases: 0, fetchedBases: 8 });
        expect(stateTakenOver(first), 'what stays is not touched').toMatchObject({ keptBases: 8, fetchedBases: 0 });
        clients.use([second]);
        await clients.run(400);

        await second.stop();
        clients.use([first]);
        const back = await untilItHas(first, 16);
        expect(back, 'shards that come back have their bases here').toMatchObject({ keptBases: 16, fetchedBases: 0 });
        expect(back?.fetchedSegments, 'and lack what the other has done').toBeGreaterThan(0);
        await clients.run(400);
        await expectExact(clients, group, first);

        await first.kill();
        first = await group.join({ dataDir: `${dir}/first` });
        clients.use([first]);
        expect(await untilItHas(first, 16), 'after a kill everything is here').toMatchObject({
          keptBases: 16,
          fetchedBases: 0,
          fetchedSegments: 0,
        });
        await clients.run(400);

        second = await group.join({ dataDir: `${dir}/second` });
        await group.settled([first, second]);
        expect(stateTakenOver(second), 'it was here before').toMatchObject({ keptBases: 8, fetchedBases: 0 });
        await first.kill();
        clients.use([second]);
        expect(await untilItHas(second, 16), 'the other half is new to it').toMatchObject({
          keptBases: 8,
          fetchedBases: 8,
        });
        await clients.run(200);
        await expectExact(clients, group, second);
      });
    });
  });
});
