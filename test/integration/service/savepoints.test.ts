import { cp, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { fillBases, fillLedger, jobIdOf, operate, readLedger, takeSavepoint } from '../../helpers/ledger.js';
import { ServiceProcess, withService, type ServiceOptions } from '../../helpers/service-process.js';
import { withTemporaryDirectory } from '../../helpers/temporary-directory.js';

const SHARDS = ['--shard-count', '4'];

function ledger(dataDir: string, backend: 'heap' | 'lmdb', args: string[] = [], variant = ''): ServiceOptions {
  return {
    dataDir,
    job: 'ledger',
    args: [...SHARDS, '--state-backend', backend, '--checkpoint-interval-ms', '100ms', ...args],
    env: { LEDGER_VARIANT: variant },
  };
}

describe('a savepoint', () => {
  it.each([
    ['heap', 'heap', 1, 2],
    ['lmdb', 'lmdb', 2, 1],
    ['heap', 'lmdb', 1, 1],
    ['lmdb', 'heap', 1, 2],
  ] as const)(
    'of a job on %s is restored on %s, at parallelism %i and then %i, in a folder that has nothing else',
    async (from, to, before, after) => {
      await withTemporaryDirectory(async (folder) => {
        const oldDir = join(folder, 'old');
        let expected = {};
        const location = await withService(ledger(oldDir, from, ['--parallelism', String(before)]), async (service) => {
          if (from === 'lmdb') await fillBases(service);
          // More than the bases hold.
          await fillLedger(service, 50);
          expected = await readLedger(service);
          const taken = await takeSavepoint(service);
          // What comes later is not part of it.
          await fillLedger(service, 900);
          return taken;
        });
        // Self-contained: it may be carried elsewhere, and what it was taken from may be gone.
        await cp(location, join(folder, 'carried'), { recursive: true });
        const newDir = join(folder, 'new');
        const options = ledger(newDir, to, [
          '--parallelism',
          String(after),
          '--from-savepoint',
          join(folder, 'carried'),
        ]);
        await withService(options, async (service) => {
          expect(await readLedger(service)).toEqual(expected);
          await fillLedger(service, 3);
          expected = await readLedger(service);
          await service.kill();
        });
        // Started again in the same way, it goes on from its newest checkpoint.
        await withService(options, async (service) => {
          expect(await readLedger(service)).toEqual(expected);
        });
        expect(await readdir(join(newDir, 'state')).catch(() => [])).toHaveLength(
          to === 'lmdb' ? 1 : from === 'lmdb' ? 1 : 0,
        );
      });
    },
  );

  it('replaces the state of the folder that it was taken from, and what was read since is read again', async () => {
    await withTemporaryDirectory(async (dataDir) => {
      let expected = {};
      const location = await withService(ledger(dataDir, 'lmdb'), async (service) => {
        await fillBases(service);
        const taken = await takeSavepoint(service);
        const { history } = (await (await service.fetch(`/jobs/${await jobIdOf(service)}/checkpoints`)).json()) as {
          history: { is_savepoint: boolean; checkpoint_type: string; trigger_reason: string }[];
        };
        expect(history.filter((entry) => entry.is_savepoint)).toMatchObject([
          { checkpoint_type: 'SAVEPOINT', trigger_reason: 'forced' },
        ]);
        await fillLedger(service, 7);
        expected = await readLedger(service);
        expect(await service.stop()).toEqual({ code: 0, signal: null });
        return taken;
      });
      await withService(ledger(dataDir, 'lmdb', ['--from-savepoint', location]), async (service) => {
        // The topics are here: the seven are replayed over the savepoint, each once.
        expect(await readLedger(service)).toEqual(expected);
      });
    });
  });

  it('ends the job with it: nothing is processed behind it', async () => {
    await withTemporaryDirectory(async (folder) => {
      const service = await ServiceProcess.start(ledger(join(folder, 'old'), 'heap'));
      try {
        await fillLedger(service, 2);
        const expected = await readLedger(service);
        const target = join(folder, 'elsewhere');
        const location = await takeSavepoint(service, { targetDirectory: target }, 'stop');
        expect(await service.ended).toEqual({ code: 0, signal: null });
        expect(location.startsWith(join(target, 'savepoint-'))).toBe(true);
        const from = ['--from-savepoint', location];
        await withService(ledger(join(folder, 'new'), 'heap', from), async (next) => {
          expect(await readLedger(next)).toEqual(expected);
        });
      } finally {
        await service.dispose();
      }
    });
  });

  it('is refused by a job that lacks an operator with state, unless that is allowed', async () => {
    await withTemporaryDirectory(async (folder) => {
      let expected = {};
      const location = await withService(ledger(join(folder, 'old'), 'lmdb'), async (service) => {
        await fillLedger(service, 1);
        await service.post('/audit/someone', {});
        expected = await readLedger(service);
        return takeSavepoint(service);
      });
      const from = ['--from-savepoint', location];
      const refused = await ServiceProcess.run(ledger(join(folder, 'refused'), 'lmdb', from, 'changed'));
      expect(refused.end.code).toBe(1);
      expect(refused.service.stderr).toContain("'audit'");

      const allowed = ledger(join(folder, 'new'), 'lmdb', [...from, '--allow-non-restored-state'], 'changed');
      await withService(allowed, async (service) => {
        expect(await readLedger(service)).toEqual(expected);
        // An operator that the savepoint does not know starts without state.
        expect(await (await service.post('/extra/someone', {})).json()).toEqual({ count: 1 });
      });
    });
  });

  it('is listed, and disposed of', async () => {
    await withService({ job: 'ledger', args: SHARDS }, async (service) => {
      await fillLedger(service, 1);
      const first = await takeSavepoint(service);
      const second = await takeSavepoint(service);
      const job = await jobIdOf(service);
      const list = async (): Promise<string[]> => {
        const { savepoints } = (await (await service.fetch(`/jobs/${job}/savepoints`)).json()) as {
          savepoints: { location: string }[];
        };
        return savepoints.map(({ location }) => location);
      };
      expect(await list()).toEqual([first, second]);
      expect(await operate(service, '/savepoint-disposal', { 'savepoint-path': first })).toEqual({});
      expect(await list()).toEqual([second]);
      // What is no savepoint is not deleted.
      const failed = await operate(service, '/savepoint-disposal', { 'savepoint-path': service.dataDir });
      expect(failed['failure-cause']?.['stack-trace']).toContain('there is no savepoint');
      expect(await list()).toEqual([second]);
    });
  });

  it('is refused with what is wrong in the request', async () => {
    await withService({ job: 'ledger', args: SHARDS }, async (service) => {
      const job = await jobIdOf(service);
      expect((await service.post('/jobs/nobody/savepoints', {})).status).toBe(404);
      expect((await service.post(`/jobs/${job}/savepoints`, { 'target-directory': 5 })).status).toBe(400);
      expect((await service.post(`/jobs/${job}/savepoints`, '[1]')).status).toBe(400);
      expect((await service.post(`/jobs/${job}/savepoints`, '{broken')).status).toBe(400);
      expect((await service.post('/savepoint-disposal', {})).status).toBe(400);
      expect((await service.fetch(`/jobs/${job}/savepoints/unknown`)).status).toBe(404);
    });
  });

  it('that is damaged, or is none, is refused with its place', async () => {
    await withTemporaryDirectory(async (folder) => {
      const { end, service } = await ServiceProcess.run(
        ledger(join(folder, 'a'), 'heap', ['--from-savepoint', folder]),
      );
      expect(end.code).toBe(2);
      expect(service.stderr).toContain(`there is no savepoint at '${folder}'`);
    });
  });
});
