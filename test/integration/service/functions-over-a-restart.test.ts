import { describe, expect, it } from 'vitest';
import { readStoredTopic } from '../../helpers/committed-topic.js';
import { ServiceProcess } from '../../helpers/service-process.js';
import { withTemporaryDirectory } from '../../helpers/temporary-directory.js';

interface Group {
  readonly key: number;
  readonly group: readonly number[];
}

/** What a plain loop makes of the same numbers. */
function groupsByHand(count: number): Group[] {
  const groups: Group[] = [];
  for (let key = 0; key < 4; key++) {
    const ofKey = Array.from({ length: count }, (_, index) => index).filter((value) => value % 4 === key);
    for (let start = 0; start + 5 <= ofKey.length; start += 5) {
      groups.push({ key, group: ofKey.slice(start, start + 5).filter((value) => value % 7 !== 0) });
    }
  }
  return groups;
}

const byKey = (groups: readonly Group[], key: number): readonly Group[] => groups.filter((group) => group.key === key);

describe.each(['heap', 'lmdb'])('functions of a job that fails and goes on, with the state backend %s', (backend) => {
  it('are where they were: requests under way and their retries, a trigger and an evictor of its own', async () => {
    await withTemporaryDirectory(async (dataDir) => {
      const limits = ['--checkpoint-interval-ms', '50ms', '--parallelism', '2', '--state-backend', backend];
      const { end, service } = await ServiceProcess.run({ dataDir, job: 'triggers-and-retries', args: limits });
      expect(end, service.stderr).toEqual({ code: 0, signal: null });
      expect(service.stderr).toContain('another attempt of the job runs');
      const expected = groupsByHand(1_500);
      const place = { jobName: 'triggers-and-retries', topic: 'groups', committedCount: expected.length };
      const { committed } = await readStoredTopic(dataDir, place);
      const found = committed.map((text) => JSON.parse(text) as Group);
      // In order within each key.
      for (let key = 0; key < 4; key++) expect(byKey(found, key)).toEqual(byKey(expected, key));
    });
  }, 90_000);
});
