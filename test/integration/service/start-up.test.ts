import { readdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ServiceProcess, withService, type ServiceOptions } from '../../helpers/service-process.js';
import { withTemporaryDirectory } from '../../helpers/temporary-directory.js';

const args = ['--parallelism', '2'];

/** Starts what cannot start, and gives what it said. */
async function refusalOf(options: ServiceOptions, code = 1): Promise<string> {
  const { end, service } = await ServiceProcess.run(options);
  expect(end, service.stderr).toEqual({ code, signal: null });
  expect(service.stdout).not.toContain('listens');
  return service.stderr;
}

describe('a start that cannot succeed ends at once and says why', () => {
  it('for an unknown flag, with exit code 2', async () => {
    expect(await refusalOf({ args: ['--paralelism', '2'] }, 2)).toContain('--paralelism');
  });

  it('for a job module that throws while it is loaded', async () => {
    const text = await refusalOf({ job: 'throws-on-load', args });
    expect(text).toContain('MILLRACE_JOB_LOAD_FAILED');
    expect(text).toContain('this job module cannot be loaded');
  });

  it('for a job that builds another graph in a worker, naming the first difference', async () => {
    const text = await refusalOf({ job: 'builds-differently', args });
    expect(text).toContain('MILLRACE_GRAPH_MISMATCH');
    expect(text).toContain('"only in a worker"');
  });

  it('for a function that throws when it is opened', async () => {
    const text = await refusalOf({ job: 'throws-in-open', args });
    expect(text).toContain('MILLRACE_USER_FUNCTION_FAILED');
    expect(text).toContain('this function cannot be opened');
  });

  it('for a data folder that is a file, or that cannot be created', async () => {
    await withTemporaryDirectory(async (directory) => {
      const file = join(directory, 'file');
      await writeFile(file, '');
      for (const dataDir of [file, join(file, 'below')]) {
        expect(await refusalOf({ dataDir, args }), dataDir).toContain('MILLRACE_DATA_DIR_UNUSABLE');
      }
      // Where nobody may create anything, not even root.
      if (process.platform !== 'linux') return;
      expect(await refusalOf({ dataDir: '/proc/millrace', args })).toMatch(
        /MILLRACE_(DATA_DIR_UNUSABLE|STORAGE_FAILED)/,
      );
    });
  });

  it('for a port that is in use', async () => {
    const server = createServer();
    const port = await new Promise<number>((resolve, reject) => {
      server.once('error', reject);
      server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port));
    });
    try {
      const text = await refusalOf({ port, args });
      expect(text).toContain('MILLRACE_ADDRESS_IN_USE');
      expect(text).toContain(String(port));
    } finally {
      await new Promise((resolve) => server.close(resolve));
    }
  });

  it('for a data folder that another process uses, which goes on undisturbed', async () => {
    await withService({ args }, async (service) => {
      const text = await refusalOf({ dataDir: service.dataDir, args });
      expect(text).toContain('MILLRACE_DATA_DIR_LOCKED');
      expect(text).toContain(service.dataDir);
      expect((await service.post('/event', { a: 1 })).status).toBe(200);
    });
  });
});

/** Flips a byte in the middle of the first file of a folder that `isMeant`. */
async function spoil(directory: string, isMeant: (path: string) => boolean): Promise<string> {
  const paths = (await readdir(directory, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter(isMeant)
    .sort();
  const [path] = paths;
  if (path === undefined) throw new Error(`nothing to spoil in ${directory}`);
  const bytes = await readFile(path);
  for (let at = Math.min(96, bytes.length >> 1); at < Math.min(bytes.length, 16_384); at += 7) {
    bytes[at] = (bytes[at] ?? 0) ^ 0x5a;
  }
  await writeFile(path, bytes);
  return path;
}

/** Bases are written for several checkpoints together: the first one is there after some more changes. */
async function countUntilBase(service: ServiceProcess): Promise<void> {
  const hasBase = async () => {
    const names = await readdir(join(service.dataDir, 'state'), { recursive: true }).catch(() => []);
    return names.some((name) => name.endsWith('.mdb'));
  };
  while (!(await hasBase())) {
    expect((await service.post('/counters/c0', { amount: 1 })).status).toBe(200);
  }
}

/** A data folder with some counters in it, left by a service that was stopped in order. */
async function withUsedFolder(backend: string, use: (dataDir: string, again: ServiceOptions) => Promise<void>) {
  await withTemporaryDirectory(async (dataDir) => {
    const again = { dataDir, args: [...args, '--state-backend', backend, '--checkpoint-interval-ms', '50ms'] };
    const service = await ServiceProcess.start(again);
    try {
      for (let index = 0; index < 40; index++) {
        expect((await service.post(`/counters/c${String(index)}`, { amount: 1 })).status).toBe(200);
      }
      if (backend === 'lmdb') await countUntilBase(service);
      expect((await service.stop()).code).toBe(0);
    } finally {
      await service.dispose();
    }
    await use(dataDir, again);
  });
}

describe('damaged files in the data folder are found at start', () => {
  it('in the log: names the file', async () => {
    await withUsedFolder('heap', async (dataDir, again) => {
      const path = await spoil(join(dataDir, 'log'), (candidate) => /counter.*\.log$/.test(candidate));
      const text = await refusalOf(again);
      expect(text).toContain('MILLRACE_LOG_CORRUPT');
      expect(text).toContain(path);
    });
  });

  it('in every manifest: does not start from nothing', async () => {
    await withUsedFolder('heap', async (dataDir, again) => {
      const directory = join(dataDir, 'checkpoints');
      for (const name of (await readdir(directory)).filter((candidate) => candidate !== 'segments')) {
        await spoil(directory, (path) => path === join(directory, name));
      }
      expect(await refusalOf(again)).toContain('MILLRACE_STATE_CORRUPT');
    });
  });

  it('in a segment of the heap backend, or in an LMDB file', async () => {
    await withUsedFolder('heap', async (dataDir, again) => {
      for (const name of await readdir(join(dataDir, 'checkpoints', 'segments'))) {
        await spoil(join(dataDir, 'checkpoints', 'segments'), (path) => path.endsWith(name));
      }
      expect(await refusalOf(again)).toContain('MILLRACE_STATE_CORRUPT');
    });
    await withUsedFolder('lmdb', async (dataDir, again) => {
      const path = await spoil(join(dataDir, 'state'), (candidate) => candidate.endsWith('.mdb'));
      const text = await refusalOf(again);
      expect(text).toContain('MILLRACE_STATE_CORRUPT');
      expect(text).toContain(path.slice(0, path.lastIndexOf('/')));
    });
  });
});
