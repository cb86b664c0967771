import { describe, expect, it } from 'vitest';
import { withService } from '../../helpers/service-process.js';

interface HotKeys {
  readonly operators: readonly {
    readonly uid: string;
    readonly sampledCount: number;
    readonly keys: readonly { readonly key: string; readonly share: number; readonly subtask: number }[];
  }[];
}

describe('hot keys', { timeout: 120_000 }, () => {
  it('are found by a sample in all workers, with their share of the records', async () => {
    await withService({ job: 'skewed', args: ['--parallelism', '2', '--log-level', 'warn'] }, async (service) => {
      const { jobs } = (await (await service.fetch('/jobs')).json()) as { jobs: { id: string }[] };
      const job = `/jobs/${jobs[0]?.id ?? ''}`;
      const { vertices } = (await (await service.fetch(job)).json()) as {
        vertices: { id: string; operators: { uid: string }[] }[];
      };
      const id = vertices.find(({ operators }) => operators.some(({ uid }) => uid === 'count'))?.id ?? '';
      const look = async (): Promise<HotKeys['operators'][number] | undefined> => {
        const answer = (await (await service.fetch(`${job}/vertices/${id}/hot-keys`)).json()) as HotKeys;
        return answer.operators.find(({ uid }) => uid === 'count');
      };
      // Some thousand samples of a fair draw: a share is wrong by a twentieth once in many million runs.
      await expect.poll(async () => (await look())?.sampledCount ?? 0, { timeout: 100_000 }).toBeGreaterThan(2000);
      const keys = (await look())?.keys ?? [];
      expect(keys.slice(0, 3).map(({ key }) => key)).toEqual(['hot', 'warm', '8']);
      const shares = new Map(keys.map(({ key, share }) => [key, share]));
      expect(Math.abs((shares.get('hot') ?? 0) - 0.5)).toBeLessThan(0.1);
      expect(Math.abs((shares.get('warm') ?? 0) - 0.25)).toBeLessThan(0.1);
      expect(keys.length).toBeLessThanOrEqual(20);
      expect((await service.fetch(`${job}/vertices/nothing/hot-keys`)).status).toBe(404);
    });
  });
});
