import { spawnSync } from 'node:child_process';
import { mkdtemp, rm, statfs, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ServiceProcess, withService } from '../../helpers/service-process.js';

/** A file system of 24 MiB in memory, or why there is none. */
async function mountSmallDisk(): Promise<{ directory: string; refusal: string | null }> {
  const directory = await mkdtemp(join(tmpdir(), 'millrace-disk-'));
  const { status, stderr, error } = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'tmpfs', directory], {
    encoding: 'utf8',
  });
  return { directory, refusal: status === 0 ? null : (error?.message ?? stderr) };
}

const disk = await mountSmallDisk();
const mayNotSkip = process.env['CI'] === 'true' && process.getuid?.() === 0;

describe.skipIf(disk.refusal !== null && !mayNotSkip)('a full disk (needs the right to mount one)', () => {
  beforeAll(() => {
    expect(disk.refusal, 'a small file system can be mounted').toBeNull();
  });

  afterAll(async () => {
    spawnSync('umount', ['--lazy', disk.directory]);
    await rm(disk.directory, { recursive: true, force: true });
  });

  it('refuses requests with 503, goes on when there is room again, and loses nothing acknowledged', async () => {
    const dataDir = join(disk.directory, 'data');
    const options = {
      dataDir,
      args: ['--parallelism', '1', '--state-backend', 'heap', '--checkpoint-interval-ms', '100ms'],
    };
    const service = await ServiceProcess.start(options);
    try {
      let acknowledged = 0;
      let sent = 0;
      const add = async (): Promise<Response> => {
        sent++;
        const response = await service.post('/counters/full', { amount: 1 }, { 'millrace-timeout-ms': '2000' });
        if (response.status === 200) acknowledged++;
        return response;
      };
      for (let index = 0; index < 20; index++) expect((await add()).status).toBe(200);

      const ballast = join(disk.directory, 'ballast');
      await fill(ballast);
      const refusal = await untilStatus(add, 503);
      expect(((await refusal.json()) as { code: string }).code).toBe('MILLRACE_STORAGE_FULL');
      expect(refusal.headers.get('retry-after')).not.toBeNull();
      expect((await service.fetch('/healthz')).status).toBe(200);

      await rm(ballast);
      await untilStatus(add, 200);
      for (let index = 0; index < 20; index++) expect((await add()).status).toBe(200);
      await service.kill();
      await withService(options, async (next) => {
        const { value } = (await (await next.fetch('/counters/full')).json()) as { value: number };
        expect(value).toBeGreaterThanOrEqual(acknowledged);
        expect(value).toBeLessThanOrEqual(sent);
      });
    } finally {
      await service.dispose();
    }
  });
});

/** Takes the last byte of the small file system. */
async function fill(path: string): Promise<void> {
  const { bavail, bsize } = await statfs(disk.directory);
  for (let blocks = bavail; blocks > 0; blocks >>= 1) {
    try {
      await writeFile(path, Buffer.alloc(blocks * bsize, 1), { flag: 'a' });
    } catch {
      // What fits has been written; half as much may still fit.
    }
  }
}

/** Sends until an answer has the status; what the service had reserved on the disk is used up by then, or free again. */
async function untilStatus(send: () => Promise<Response>, status: number): Promise<Response> {
  const endMs = performance.now() + 20_000;
  let last = 0;
  while (performance.now() < endMs) {
    const response = await send();
    if (response.status === status) return response;
    last = response.status;
    await response.arrayBuffer();
  }
  throw new Error(`the status stayed ${String(last)} instead of ${String(status)}`);
}
