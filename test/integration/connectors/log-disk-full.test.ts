import { execFile, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { MillraceError } from '../../../src/base/errors.js';
import { EmbeddedLog } from '../../../src/connectors/log/embedded-log.js';
import { withTemporaryDirectory } from '../../helpers/temporary-directory.js';
import { appendDurably, positionsFrom, producerRecord, TopicClient } from '../../helpers/topic-client.js';

const TOPIC = 'full';
const VALUE_BYTES = 10_000;

function numbered(index: number): string {
  return `${index}:`.padEnd(VALUE_BYTES, 'x');
}

async function readValues(log: EmbeddedLog): Promise<readonly (string | null)[]> {
  const { endOffsets } = await log.describe(TOPIC);
  const client = new TopicClient(log, TOPIC, positionsFrom(0, 1));
  await client.read(endOffsets[0] ?? 0);
  client.reader.close();
  return client.values;
}

function canMount(): boolean {
  return process.platform === 'linux' && process.getuid?.() === 0 && spawnSync('mount', ['--version']).status === 0;
}

/** A file system of 2 MiB, or `null` where this process may not mount one. */
async function withSmallFileSystem(use: (path: string) => Promise<void>): Promise<boolean> {
  return withTemporaryDirectory(async (path) => {
    if (!canMount()) return false;
    if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', path]).status !== 0) return false;
    try {
      await use(path);
    } finally {
      spawnSync('umount', [path]);
    }
    return true;
  });
}

describe('embedded log on a full disk', () => {
  it('refuses what does not fit, goes on when there is room again, and has all that it acknowledged', async (context) => {
    const isDone = await withSmallFileSystem(async (dataDir) => {
      const ballast = join(dataDir, 'ballast');
      await writeFile(ballast, Buffer.alloc(1 << 20, 1));
      let log = await EmbeddedLog.open({ dataDir, segmentBytes: 256 << 10, preallocateBytes: 64 << 10 });
      await log.createTopic(TOPIC, { partitions: 1, retentionMs: Infinity, retentionBytes: Infinity });
      const acknowledged: string[] = [];
      const refused: unknown[] = [];
      const appendMany = async (from: number, count: number): Promise<void> => {
        const appends = Array.from({ length: count }, async (_, index) => {
          const value = numbered(from + index);
          await appendDurably(log, TOPIC, producerRecord({ value: Buffer.from(value) })).then(
            () => acknowledged.push(value),
            (error: unknown) => refused.push(error),
          );
          if (index % 7 === 0) await log.flush().catch(() => undefined);
        });
        await Promise.all(appends);
      };
      for (let from = 0; refused.length === 0 && from < 400; from += 10) await appendMany(from, 10);
      await appendMany(1000, 10);
      expect(refused.length).toBeGreaterThan(0);
      for (const error of refused) {
        if (!MillraceError.is(error, 'MILLRACE_STORAGE_FULL')) throw new Error('refused otherwise', { cause: error });
        expect(String(error.details?.['path'])).toContain(dataDir);
        expect(error.hint).toMatch(/Free space/);
      }
      const committing = log.commitOffsets('g', TOPIC, new Map([[0, { offset: 1, metadata: 'm'.repeat(100_000) }]]));
      await expect(committing).rejects.toMatchObject({ code: 'MILLRACE_STORAGE_FULL' });

      await rm(ballast);
      const before = acknowledged.length;
      await appendMany(2000, 20);
      expect(acknowledged.length).toBe(before + 20);
      expect(await readValues(log)).toEqual(acknowledged);
      await log.close();
      log = await EmbeddedLog.open({ dataDir });
      expect(await readValues(log)).toEqual(acknowledged);
      expect(await log.committedOffsets('g', TOPIC)).toEqual(new Map());
      await log.close();
    });
    if (!isDone) context.skip('no right to mount a small file system; the limit on file size stands in for it below');
  });

  it.runIf(process.platform === 'linux')(
    'refuses what the limit on file size forbids, and goes on when it is raised',
    async () => {
      await withTemporaryDirectory(async (dataDir) => {
        const fixture = fileURLToPath(new URL('../../fixtures/log/append-on-command.mjs', import.meta.url));
        // In units of 512 or 1024 bytes, by the shell: either way a few hundred kilobytes.
        const limited = 'ulimit -S -f 300 && exec "$0" "$@"';
        const child = spawn('sh', ['-c', limited, process.execPath, fixture, dataDir], {
          stdio: ['pipe', 'pipe', 'inherit'],
        });
        const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
        const answer = async (): Promise<string> => String((await lines.next()).value);
        const acknowledged: string[] = [];
        const append = async (index: number): Promise<string> => {
          child.stdin.write(`append ${numbered(index)}\n`);
          const said = await answer();
          if (said.startsWith('ok')) acknowledged.push(numbered(index));
          return said;
        };
        expect(await answer()).toBe('ready');
        let said = '';
        for (let index = 0; !said.startsWith('refused') && index < 100; index++) said = await append(index);
        expect(said).toBe('refused MILLRACE_STORAGE_FULL');
        expect(await append(200)).toBe('refused MILLRACE_STORAGE_FULL');
        await promisify(execFile)('prlimit', ['--pid', String(child.pid), '--fsize=unlimited']);
        const expected = acknowledged.length;
        expect(await append(300)).toBe(`ok ${expected}`);
        child.stdin.end();
        await once(child, 'exit');

        const log = await EmbeddedLog.open({ dataDir });
        expect(await readValues(log)).toEqual(acknowledged);
        await log.close();
      });
    },
  );
});
