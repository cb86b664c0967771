import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { EmbeddedLog } from '../../../src/connectors/log/embedded-log.js';
import { readTopic } from '../../helpers/read-topic.js';
import { type ServiceProcess, withService } from '../../helpers/service-process.js';
import { withTemporaryDirectory } from '../../helpers/temporary-directory.js';

const USERS = Array.from({ length: 8 }, (_, index) => `user-${String(index)}`);
const argsOf = (parallelism: number): string[] =>
  `--state-backend heap --parallelism ${String(parallelism)} --log-level warn`.split(' ');

async function ruleOf(service: ServiceProcess, user: string): Promise<unknown> {
  return (await service.post(`/checks/${user}`, {})).json();
}

interface Notes {
  readonly subtask: number;
  readonly restored: { readonly dealt: readonly string[]; readonly whole: readonly string[] };
}

/** What each subtask has got back. Requests are dealt out in turn: all subtasks have been asked before long. */
async function notesOf(service: ServiceProcess, parallelism: number): Promise<Notes[]> {
  const bySubtask = new Map<number, Notes>();
  for (let asked = 0; asked < 200 && bySubtask.size < parallelism; asked++) {
    const notes = (await (await service.fetch('/notes')).json()) as Notes;
    bySubtask.set(notes.subtask, notes);
  }
  return [...bySubtask.values()];
}

describe('state that belongs to no key', () => {
  it(
    'of lists is dealt out to the subtasks, each value once, and of union lists whole for each, at any parallelism',
    { timeout: 60_000 },
    async () => {
      const texts = Array.from({ length: 7 }, (_, index) => `note-${String(index)}`);
      await withTemporaryDirectory(async (dataDir) => {
        const options = { dataDir, job: 'remembers' };
        await withService({ ...options, args: argsOf(3) }, async (service) => {
          for (const text of texts) expect((await service.post(`/notes/${text}`, {})).status).toBe(200);
          expect((await service.stop()).code, service.stderr).toBe(0);
        });
        for (const parallelism of [3, 2, 4, 1]) {
          await withService({ ...options, args: argsOf(parallelism) }, async (service) => {
            const notes = await notesOf(service, parallelism);
            expect(notes).toHaveLength(parallelism);
            expect(notes.flatMap(({ restored }) => restored.dealt).sort()).toEqual(texts);
            for (const { restored } of notes) expect([...restored.whole].sort()).toEqual(texts);
            expect((await service.stop()).code, service.stderr).toBe(0);
          });
        }
      });
    },
  );

  it(
    'is back in every subtask after a restart, at the same parallelism and at others',
    { timeout: 60_000 },
    async () => {
      await withTemporaryDirectory(async (dataDir) => {
        const options = { dataDir, job: 'remembers' };
        await withService({ ...options, args: argsOf(2) }, async (service) => {
          expect(await (await service.post('/rules', { limit: 5 })).json()).toEqual({ set: 5 });
          expect((await service.stop()).code, service.stderr).toBe(0);
        });
        for (const parallelism of [2, 3, 1]) {
          await withService({ ...options, args: argsOf(parallelism) }, async (service) => {
            for (const user of USERS) expect(await ruleOf(service, user), user).toEqual({ rule: 5 });
            expect((await service.stop()).code, service.stderr).toBe(0);
          });
        }
      });
    },
  );

  it('holds asynchronous requests that were under way: they start anew, each once', { timeout: 60_000 }, async () => {
    await withTemporaryDirectory(async (dataDir) => {
      const ids = ['1', '2', '3'];
      const options = { dataDir, job: 'remembers', args: argsOf(2) };
      await withService({ ...options, env: { HOLD: '1' } }, async (service) => {
        for (const id of ids) expect((await service.post(`/orders/${id}`, {})).status).toBe(200);
        // The last checkpoint covers the records: only the operator's state still knows them.
        expect((await service.stop()).code, service.stderr).toBe(0);
      });
      await withService(options, async (service) => {
        expect((await service.post('/orders/4', {})).status).toBe(200);
        expect((await service.stop()).code, service.stderr).toBe(0);
      });
      const log = await EmbeddedLog.open({ dataDir: join(dataDir, 'log') });
      try {
        const found = (await readTopic(log, 'shipped')).map(({ value }) => JSON.parse(value) as string);
        expect(found.sort()).toEqual(['1', '2', '3', '4']);
      } finally {
        await log.close();
      }
    });
  });
});
