import { expect, it } from 'vitest';
import { shardsOf, withInstances } from '../helpers/instances.js';
import { describeOnKafka } from '../helpers/kafka.js';
import type { ServiceProcess } from '../helpers/service-process.js';

const NAMES = Array.from({ length: 24 }, (_, index) => `account-${String(index)}`);
const TOKEN = 'of-the-whole-group';

interface Reading {
  readonly status: number;
  readonly body: { readonly value?: number; readonly code?: string };
}

async function readCount(instance: ServiceProcess, name: string, query: string): Promise<Reading> {
  const headers = { authorization: `Bearer ${TOKEN}` };
  const { jobs } = (await (await instance.fetch('/jobs', { headers })).json()) as { jobs: { id: string }[] };
  const response = await instance.fetch(`/jobs/${jobs[0]?.id ?? ''}/state/count/value/${name}${query}`, { headers });
  return { status: response.status, body: (await response.json()) as Reading['body'] };
}

/** @returns where the request lies */
async function add(instance: ServiceProcess, name: string, busyMs = 0): Promise<string> {
  const answer = await instance.post(`/counters/${name}`, { amount: 1, busyMs });
  expect(answer.status).toBe(200);
  return answer.headers.get('millrace-position') ?? '';
}

describeOnKafka('State of a group', () => {
  it('is read through any instance, and not before it has what the caller has seen', async () => {
    await withInstances({ args: ['--admin-token', TOKEN] }, async (group) => {
      const first = await group.join();
      const second = await group.join();
      await group.settled([first, second]);
      for (const name of NAMES) {
        const position = await add(first, name);
        for (const asked of [first, second]) {
          expect(await readCount(asked, name, `?after=${position}`), name).toMatchObject({
            status: 200,
            body: { value: 1 },
          });
        }
      }
      // Each has some of them.
      expect([shardsOf(first).length, shardsOf(second).length]).toEqual([8, 8]);
      const unknown = await Promise.all([first, second].map((asked) => readCount(asked, 'nobody', '')));
      expect(unknown.map(({ status }) => status)).toEqual([404, 404]);

      // Whoever takes the shards over is behind what the caller has seen, until it has done it again.
      const positions = await Promise.all(NAMES.map((name) => add(second, name, 20)));
      await first.kill();
      const read = await Promise.all(
        NAMES.map(async (name, index) => {
          const query = `?after=${positions[index] ?? ''}`;
          let reading = await readCount(second, name, query);
          // The group has yet to see that the first one is gone.
          while (reading.status === 503) reading = await readCount(second, name, query);
          return [reading.status, reading.body.value];
        }),
      );
      expect(read).toEqual(NAMES.map(() => [200, 2]));
    });
  });
});
