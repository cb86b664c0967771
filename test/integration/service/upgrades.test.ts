import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type LedgerState, takeSavepoint } from '../../helpers/ledger.js';
import { projectPath } from '../../helpers/project-files.js';
import { runProgram } from '../../helpers/run-program.js';
import { type ServiceOptions, type ServiceProcess, withService } from '../../helpers/service-process.js';
import { withTemporaryDirectory } from '../../helpers/temporary-directory.js';

const fixtures = projectPath('test/fixtures/checkpoints');

/** What the fixtures hold, whatever release wrote them: twelve additions to three accounts. */
function expectedState(account: number): LedgerState {
  const entries = Array.from({ length: 12 }, (_, index) => account * (index + 1));
  return {
    total: { amount: 78 * account },
    entries,
    tags: Object.fromEntries(entries.map((value, index) => [`t${String(index + 1)}`, value])),
    sum: 78 * account,
  };
}

async function stateOf(service: ServiceProcess, account: number): Promise<unknown> {
  return (await service.post(`/ledger/account-${String(account)}`, {})).json();
}

function ledger(dataDir: string, backend: string, variant: string, args: string[] = []): ServiceOptions {
  return {
    dataDir,
    job: 'ledger',
    args: ['--shard-count', '1', '--parallelism', '1', '--state-backend', backend, ...args],
    env: { LEDGER_VARIANT: variant },
  };
}

/** Keys of which the fixture of numbers has rows, of all lengths in a row key. */
const TALLIED = [0, 1, 7, -1, 300, -300, 70_000, 2_000_000_000, -2_147_483_648];

/** What it holds: four additions, the last two after a checkpoint, and no count where it was cleared. */
function expectedTally(number: number): { sum: number; count: number | null } {
  return { sum: 4 * number, count: number < 0 ? null : 4 };
}

async function tallyOf(service: ServiceProcess, number: number): Promise<unknown> {
  return (await service.post(`/tallies/${String(number)}`, {})).json();
}

function tallies(dataDir: string, backend: string, parallelism: string, args: string[] = []): ServiceOptions {
  const options = ['--shard-count', '4', '--parallelism', parallelism, '--state-backend', backend];
  return { dataDir, job: 'tallies', args: [...options, ...args] };
}

describe('an upgrade', () => {
  it.each(['heap', 'lmdb'])('goes on from a data folder on %s that the first release wrote', async (backend) => {
    await withTemporaryDirectory(async (folder) => {
      await cp(join(fixtures, `v1-${backend}`), join(folder, 'data'), { recursive: true });
      await withService(ledger(join(folder, 'data'), backend, ''), async (service) => {
        for (const account of [1, 2, 3]) expect(await stateOf(service, account)).toEqual(expectedState(account));
        // The audit had counted one.
        expect(await (await service.post('/audit/account-1', {})).json()).toEqual({ count: 2 });
      });
    });
  });

  it.each([
    ['heap', 'lmdb'],
    ['lmdb', 'heap'],
  ])('restores a savepoint on %s of format 2, with schema versions, on %s', async (from, to) => {
    await withTemporaryDirectory(async (folder) => {
      const args = ['--from-savepoint', join(fixtures, `v2-${from}-savepoint`)];
      await withService(ledger(folder, to, 'newer', args), async (service) => {
        for (const account of [1, 2, 3]) expect(await stateOf(service, account)).toEqual(expectedState(account));
      });
    });
  });

  it.each(['heap', 'lmdb'])('restores a savepoint with numbers in blocks on %s, among more workers', async (to) => {
    await withTemporaryDirectory(async (folder) => {
      await withService(
        tallies(folder, to, '2', ['--from-savepoint', join(fixtures, 'segment-v2-heap-savepoint')]),
        async (service) => {
          for (const number of TALLIED) expect(await tallyOf(service, number)).toEqual(expectedTally(number));
          // Goes on from there, and is found again.
          await service.post('/tallies/7', { add: 1 });
          expect(await tallyOf(service, 7)).toEqual({ sum: 29, count: 5 });
        },
      );
    });
  });

  it('to another form of values is tried on a savepoint, and then made value by value', async () => {
    await withTemporaryDirectory(async (folder) => {
      await cp(join(fixtures, 'v1-lmdb'), join(folder, 'data'), { recursive: true });
      const location = await withService(ledger(join(folder, 'data'), 'lmdb', ''), async (service) =>
        takeSavepoint(service),
      );

      // Two of the totals are more than this one's function can take.
      const broken = await check(location, 'broken');
      expect(broken.code).toBe(1);
      expect(broken.stdout).toContain('2 failures:');
      expect(broken.stdout).toMatch(/operator 'ledger', state 'total', key "account-2": .*no room for 156/);

      const dropped = await check(location, 'changed');
      expect(dropped.code).toBe(1);
      expect(dropped.stdout).toMatch(/^dropped {2}audit$/m);
      expect(dropped.stdout).toMatch(/^added {4}extra$/m);
      expect((await check(location, 'changed', '--allow-non-restored-state')).code).toBe(0);

      const good = await check(location, 'newer', '--json');
      expect(good.code, good.stdout).toBe(0);
      expect(JSON.parse(good.stdout)).toMatchObject({
        failures: [],
        states: expect.arrayContaining([
          expect.objectContaining({ operatorUid: 'ledger', name: 'total', rows: 3, versions: { 1: 3 }, verdict: 'ok' }),
          expect.objectContaining({ operatorUid: 'ledger', name: 'tags', rows: 36, verdict: 'ok' }),
        ]) as unknown,
      });

      const start = ledger(join(folder, 'data'), 'lmdb', 'newer', ['--from-savepoint', location]);
      await withService(start, async (service) => {
        expect(await stateOf(service, 2)).toMatchObject({ total: { cents: 15_600, from: 1 }, sum: 156 });
      });
    });
  });

  it('is refused with what is wrong when there is nothing to try it on', async () => {
    const nothing = await check(fixtures, '');
    expect(nothing.code).toBe(2);
    expect(nothing.stderr).toContain('there is no savepoint');
  });
});

function check(location: string, variant: string, ...more: string[]): ReturnType<typeof runProgram> {
  const job = projectPath('test/fixtures/jobs/ledger.mjs');
  const args = [projectPath('dist/main.js'), 'savepoint', 'check', location, '--job', job, ...more];
  return runProgram(process.execPath, args, { env: { LEDGER_VARIANT: variant } });
}
