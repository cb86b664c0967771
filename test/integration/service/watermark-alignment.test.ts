import { describe, expect, it } from 'vitest';
import { ServiceProcess, withService } from '../../helpers/service-process.js';

const args = ['--state-backend', 'heap', '--parallelism', '2'];

describe('sources of one group', () => {
  it('wait for the slowest while they run on two workers, take checkpoints meanwhile, and go on when it has ended', async () => {
    const limits = ['--ring-bytes', '64KiB', '--checkpoint-interval-ms', '50ms'];
    const { end, service } = await ServiceProcess.run({ job: 'aligned', args: [...args, ...limits] });
    expect(end, service.stderr).toEqual({ code: 0, signal: null });
    const line = service.stderr.split('\n').find((each) => each.includes('job finished')) ?? '';
    expect(line).toContain('"fast":"2000"');
    expect(line).toContain('"slow":"100000"');
    const driftMs = Number(/"drift":"(\d+)"/.exec(line)?.[1]);
    // 5,000 ms are allowed. What comes on top: 64 records of 2,000 ms that a source makes before it looks, and, where they meet,
    // what lies in the channels before it, some thousand records of 20 ms. Without waiting it would be a million.
    expect(driftMs).toBeLessThan(400_000);
    expect(service.stderr).not.toContain('checkpoint failed');
  });

  it('that are read from topics wait and go on until everything is read, and do not wait for a topic without records', async () => {
    await withService({ job: 'aligned-topics', args }, async (service) => {
      const ingest = async (topic: string, count: number, stepMs: number): Promise<void> => {
        const lines = Array.from({ length: count }, (_, index) =>
          JSON.stringify({ value: { topic, at: index * stepMs } }),
        );
        const answer = await service.fetch(`/topics/${topic}/records`, {
          method: 'POST',
          headers: { 'content-type': 'application/x-ndjson' },
          body: lines.join('\n'),
        });
        expect(answer.status).toBe(200);
      };
      const readCount = async (): Promise<number> => {
        const topics = (await (await service.fetch('/topics')).json()) as {
          topics: { name: string; partitions: { endOffset: number }[] }[];
        };
        const read = topics.topics.find(({ name }) => name === 'read');
        return (read?.partitions ?? []).reduce((sum, { endOffset }) => sum + endOffset, 0);
      };
      await ingest('ahead', 2_000, 1_000);
      await ingest('behind', 300, 1);
      await expect.poll(readCount, { timeout: 60_000, interval: 50 }).toBe(2_300);
    });
  }, 90_000);
});
