import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fillBases, fillLedger, readLedger, takeSavepoint, untilStored } from '../../helpers/ledger.js';
import { findS3Server, S3_BUCKET, S3Server } from '../../helpers/s3-server.js';
import { type ServiceOptions, ServiceProcess, withService } from '../../helpers/service-process.js';

const binary = findS3Server();
const base = ['--shard-count', '4', '--checkpoint-interval-ms', '100ms'];

describe.skipIf(binary === null)('the checkpoint store', () => {
  let server: S3Server;
  let folder = '';
  beforeAll(async () => {
    server = await S3Server.start(binary ?? '');
    folder = await mkdtemp(join(tmpdir(), 'millrace-store-'));
  });
  afterAll(async () => {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const ledger = (dataDir: string, backend: string, store: string, args: string[] = []): ServiceOptions => ({
    dataDir: join(folder, dataDir),
    job: 'ledger',
    args: [
      ...base,
      '--state-backend',
      backend,
      '--checkpoint-store',
      store,
      '--checkpoint-store-interval-ms',
      '200ms',
      ...args,
    ],
    env: server.environment,
  });

  it.each([
    ['heap', 's3'],
    ['lmdb', 's3'],
    ['lmdb', 'folder'],
  ])('gives the state of a job on %s to a machine that has nothing else, from %s', async (backend, kind) => {
    const name = `${backend}-${kind}`;
    const store = kind === 's3' ? `s3://${S3_BUCKET}/${name}` : join(folder, `store-${name}`);
    let expected = {};
    await withService(ledger(`${name}-old`, backend, store, ['--parallelism', '2']), async (service) => {
      if (backend === 'lmdb') await fillBases(service);
      await fillLedger(service, 20);
      expected = await readLedger(service);
      await untilStored(service);
      await service.kill();
    });
    await withService(ledger(`${name}-new`, backend, store, ['--parallelism', '1']), async (service) => {
      expect(service.stderr + service.stdout).toContain('restored from the checkpoint store');
      expect(await readLedger(service)).toEqual(expected);
      await fillLedger(service, 4);
      expected = await readLedger(service);
      expect(await service.stop(), service.stderr).toEqual({ code: 0, signal: null });
    });
    // It has written its own copies, and at its end its last checkpoint.
    await withService(ledger(`${name}-third`, backend, store), async (service) => {
      expect(await readLedger(service)).toEqual(expected);
      await service.kill();
    });
    // The folder that is there is not touched by what lies elsewhere, however new that is.
    await withService(ledger(`${name}-new`, backend, store), async (service) => {
      expect(service.stderr + service.stdout).not.toContain('restored from the checkpoint store');
      expect(await readLedger(service)).toEqual(expected);
    });
  });

  it('sends what an earlier process left unsent, and bases of a folder that had no store before', async () => {
    const store = `s3://${S3_BUCKET}/late`;
    const without = {
      ...ledger('late', 'lmdb', store),
      args: base,
    };
    await withService(without, async (service) => {
      await fillBases(service);
      await service.kill();
    });
    let expected = {};
    await withService(ledger('late', 'lmdb', store), async (service) => {
      await fillLedger(service, 30);
      expected = await readLedger(service);
      await untilStored(service);
      await service.kill();
    });
    await withService(ledger('late-elsewhere', 'lmdb', store), async (service) => {
      expect(await readLedger(service)).toEqual(expected);
    });
  });

  it('does not hold up a job while it cannot be reached, and catches up', async () => {
    const store = `s3://${S3_BUCKET}/unreachable`;
    const broken = { ...ledger('unreachable', 'heap', store) };
    await withService(broken, async (service) => {
      await fillLedger(service, 1);
      await untilStored(service);
      server.pause();
      const before = (await service.metric('millrace_checkpoints_completed_total')) ?? 0;
      for (;;) {
        await fillLedger(service, 1);
        const completed = (await service.metric('millrace_checkpoints_completed_total')) ?? 0;
        if (completed > before + 5) break;
      }
      server.resume();
      await untilStored(service);
    });
  });

  it('is refused at the start when it cannot be read', async () => {
    const options = ledger('refused', 'heap', 's3://no-such-bucket/x');
    const { end, service } = await ServiceProcess.run(options);
    expect(end.code).toBe(1);
    expect(service.stderr).toContain('NoSuchBucket');
    expect(service.stderr).not.toContain(server.environment['AWS_SECRET_ACCESS_KEY']);
  });

  it('takes savepoints, too', async () => {
    let expected = {};
    const location = await withService(ledger('sp', 'heap', `s3://${S3_BUCKET}/sp`), async (service) => {
      await fillLedger(service, 6);
      expected = await readLedger(service);
      return takeSavepoint(service, { 'target-directory': `s3://${S3_BUCKET}/savepoints` });
    });
    expect(location).toMatch(/^s3:\/\/millrace-test\/savepoints\/savepoint-/);
    const from = ledger('sp-new', 'lmdb', join(folder, 'unused'), ['--from-savepoint', location]);
    await withService(from, async (service) => {
      expect(await readLedger(service)).toEqual(expected);
    });
  });
});
