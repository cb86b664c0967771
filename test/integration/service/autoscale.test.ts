import { expect, it } from 'vitest';
import { type ServiceProcess, withService } from '../../helpers/service-process.js';

const CALLERS = 4;

async function parallelismOf(service: ServiceProcess): Promise<number> {
  const { jobs } = (await (await service.fetch('/jobs')).json()) as { jobs: readonly { id: string }[] };
  const job = (await (await service.fetch(`/jobs/${jobs[0]?.id ?? ''}`)).json()) as { parallelism: number };
  return job.parallelism;
}

it('a job moves to another worker under a load that lasts, back when it is idle, and answers each request once', async () => {
  const args = ['--parallelism', '1', '--autoscale', '1..2'];
  await withService({ job: 'slow-counter', args }, async (service) => {
    const counts: number[] = [];
    const end = new AbortController();
    const callers = Array.from({ length: CALLERS }, async () => {
      while (!end.signal.aborted) {
        const response = await service.post('/slow-count', { ms: 20 });
        expect(response.status).toBe(200);
        counts.push(((await response.json()) as { count: number }).count);
      }
    });
    await expect.poll(() => parallelismOf(service), { timeout: 60_000, interval: 500 }).toBe(2);
    end.abort();
    await Promise.all(callers);
    expect(counts.toSorted((a, b) => a - b)).toEqual(counts.map((_, index) => index + 1));
    await expect.poll(() => parallelismOf(service), { timeout: 150_000, interval: 1_000 }).toBe(1);
    const response = await service.post('/slow-count', { ms: 0 });
    expect(await response.json()).toEqual({ count: counts.length + 1 });
  });
}, 240_000);
