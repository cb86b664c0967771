import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ServiceProcess } from '../../helpers/service-process.js';
import { withTemporaryDirectory } from '../../helpers/temporary-directory.js';

const ITEMS = Array.from({ length: 40 }, (_, index) => `item-${String(index)}`);

async function quoteOf(answer: Promise<Response>): Promise<string> {
  const { quote } = (await (await answer).json()) as { quote: string };
  return quote;
}

it('what a service was told outlives kill -9: it is not asked again, whatever it would say now', async () => {
  await withTemporaryDirectory(async (dataDir) => {
    const told = new Map<string, string>();
    const start = (intervalMs: number): Promise<ServiceProcess> =>
      ServiceProcess.start({
        job: 'quotes',
        dataDir,
        args: ['--parallelism', '2', '--checkpoint-interval-ms', String(intervalMs)],
      });
    // No checkpoint in the first two processes: all is replayed by the third, from what both have recorded.
    for (const items of [ITEMS.slice(0, 20), ITEMS.slice(20)]) {
      const service = await start(3_600_000);
      try {
        for (const [item, quote] of told) expect(await quoteOf(service.fetch(`/quotes/${item}`))).toBe(quote);
        await Promise.all(
          items.map(async (item) => told.set(item, await quoteOf(service.post(`/quotes/${item}`, {})))),
        );
        await service.kill();
      } finally {
        await service.dispose();
      }
    }
    const service = await start(200);
    try {
      for (const [item, quote] of told) expect(await quoteOf(service.fetch(`/quotes/${item}`))).toBe(quote);
      expect(new Set(told.values()).size).toBe(ITEMS.length);
      // What checkpoints cover is kept no longer.
      const folder = join(dataDir, 'checkpoints', 'segments', 'outcomes');
      await expect.poll(async () => (await readdir(folder)).length, { timeout: 30_000 }).toBe(0);
    } finally {
      await service.dispose();
    }
  });
});

it('without durable results the service is asked again, and the state follows the second answer', async () => {
  await withTemporaryDirectory(async (dataDir) => {
    const args = ['--parallelism', '2', '--checkpoint-interval-ms', '3600000'];
    const first = await ServiceProcess.start({ job: 'quotes', dataDir, args });
    const quote = await quoteOf(first.post('/quotes/tea?asks=again', {}));
    await first.kill();
    await first.dispose();
    const second = await ServiceProcess.start({ job: 'quotes', dataDir, args });
    try {
      const now = await quoteOf(second.fetch('/quotes/tea'));
      expect([typeof now, now === quote]).toEqual(['string', false]);
    } finally {
      await second.dispose();
    }
  });
});
