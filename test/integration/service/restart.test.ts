import { describe, expect, it } from 'vitest';
import { join } from 'node:path';
import { REQUEST_HEADER, type RequestLine } from '../../../src/api/internal/request-headers.js';
import { EmbeddedLog } from '../../../src/connectors/log/embedded-log.js';
import { readTopic } from '../../helpers/read-topic.js';
import { ServiceProcess, withService } from '../../helpers/service-process.js';
import { withTemporaryDirectory } from '../../helpers/temporary-directory.js';

const NAMES = Array.from({ length: 24 }, (_, index) => `counter-${String(index)}`);

/** What happened to the increments of one counter. */
interface Tally {
  sent: number;
  acknowledged: number;
}

const argsOf = (backend: string, parallelism: number): string[] =>
  `--state-backend ${backend} --parallelism ${String(parallelism)} --checkpoint-interval-ms 100ms --log-level warn`.split(
    ' ',
  );

async function valueOf(service: ServiceProcess, name: string): Promise<number> {
  const response = await service.fetch(`/counters/${name}`);
  expect(response.status).toBe(200);
  return ((await response.json()) as { value: number }).value;
}

/** Adds 1 to all counters from several clients until the service is gone, or `enough` says so. */
async function addUntil(service: ServiceProcess, tallies: Map<string, Tally>, enough: () => boolean): Promise<void> {
  const addInTurn = async (name: string): Promise<void> => {
    const tally = tallies.get(name) ?? { sent: 0, acknowledged: 0 };
    tallies.set(name, tally);
    while (!enough()) {
      tally.sent++;
      try {
        const response = await service.post(`/counters/${name}`, { amount: 1 });
        await response.arrayBuffer();
        if (response.status === 200) tally.acknowledged++;
      } catch {
        return;
      }
    }
  };
  await Promise.all(NAMES.map(addInTurn));
}

const acknowledgedOf = (tallies: ReadonlyMap<string, Tally>): number =>
  [...tallies.values()].reduce((sum, { acknowledged }) => sum + acknowledged, 0);

describe.each(['heap', 'lmdb'])('a service with the state backend %s', (backend) => {
  it('goes on where it was after SIGTERM, also with other numbers of workers', async () => {
    await withTemporaryDirectory(async (dataDir) => {
      let expected = 0;
      for (const parallelism of [2, 3, 1]) {
        const service = await ServiceProcess.start({ dataDir, args: argsOf(backend, parallelism) });
        try {
          for (const name of NAMES)
            expect(await valueOf(service, name), `${name} ×${String(parallelism)}`).toBe(expected);
          const answers = await Promise.all(NAMES.map((name) => service.post(`/counters/${name}`, { amount: 7 })));
          expected += 7;
          for (const answer of answers) expect(await answer.json()).toMatchObject({ value: expected });
          expect(await service.stop(), service.stderr).toEqual({ code: 0, signal: null });
        } finally {
          await service.dispose();
        }
      }
    });
  });

  it('keeps every acknowledged increment once through kill -9 in the middle of a load', async () => {
    await withTemporaryDirectory(async (dataDir) => {
      const tallies = new Map<string, Tally>();
      for (const [round, killAfter] of [100, 250, 400].entries()) {
        const service = await ServiceProcess.start({ dataDir, args: argsOf(backend, round === 2 ? 3 : 2) });
        try {
          const before = acknowledgedOf(tallies);
          let isKilled = false;
          await addUntil(service, tallies, () => {
            if (!isKilled && acknowledgedOf(tallies) - before >= killAfter) {
              isKilled = true;
              service.signal('SIGKILL');
            }
            return isKilled;
          });
          await service.ended;
        } finally {
          await service.dispose();
        }
      }
      const counted: Record<string, number> = {};
      await withService({ dataDir, args: argsOf(backend, 2) }, async (service) => {
        for (const [name, { sent, acknowledged }] of tallies) {
          const value = await valueOf(service, name);
          expect(value, name).toBeGreaterThanOrEqual(acknowledged);
          expect(value, name).toBeLessThanOrEqual(sent);
          counted[name] = value;
        }
        expect(await service.stop()).toEqual({ code: 0, signal: null });
      });
      // One increment counted is one durable record of the request topic, and the other way round.
      expect(counted).toEqual(await durableAdds(dataDir));
    });
  });
});

/** Increments in the request topic by counter, as they lie on disk. */
async function durableAdds(dataDir: string): Promise<Record<string, number>> {
  const log = await EmbeddedLog.open({ dataDir: join(dataDir, 'log') });
  try {
    const counts: Record<string, number> = {};
    for (const topic of log.topics().filter((name) => name.includes('counter') && !name.endsWith('.expired'))) {
      for (const { headers } of await readTopic(log, topic)) {
        const line = JSON.parse(headers[REQUEST_HEADER] ?? '{}') as RequestLine;
        const name = line.params['name'];
        if (line.method === 'POST' && name !== undefined) counts[name] = (counts[name] ?? 0) + 1;
      }
    }
    return counts;
  } finally {
    await log.close();
  }
}
