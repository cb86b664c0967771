import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { S3ObjectStore } from '../../src/checkpoint/s3-object-store.js';
import { projectPath } from './project-files.js';

/** Longest wait for the server to answer. */
const START_MS = 30_000;
const ACCESS_KEY = 'millrace-test-key';
const SECRET_KEY = 'millrace-test-secret';
export const S3_BUCKET = 'millrace-test';

/** Where the S3 server is; `null` when this machine has none. In CI it is installed, and its absence a failure. */
export function findS3Server(): string | null {
  const found = spawnSync(process.execPath, [projectPath('tools/ci/install-s3-server.mjs'), '--find'], {
    encoding: 'utf8',
  });
  if (found.status === 0) return found.stdout.trim();
  if (process.env['CI'] === 'true') throw new Error('the S3 server is missing: run tools/ci/install-s3-server.mjs');
  return null;
}

/** A real S3 server over a temporary folder, with credentials of its own and one bucket. */
export class S3Server {
  readonly endpoint: string;
  readonly #process: ChildProcess;
  readonly #folder: string;

  private constructor(child: ChildProcess, endpoint: string, folder: string) {
    this.#process = child;
    this.endpoint = endpoint;
    this.#folder = folder;
  }

  static async start(binary: string): Promise<S3Server> {
    const folder = await mkdtemp(join(tmpdir(), 'millrace-s3-'));
    const port = await freePort();
    const server = new S3Server(
      spawn(binary, ['--port', `127.0.0.1:${String(port)}`, 'posix', '--nometa', join(folder, 'buckets')], {
        stdio: 'ignore',
        cwd: folder,
        env: { ...process.env, ROOT_ACCESS_KEY_ID: ACCESS_KEY, ROOT_SECRET_ACCESS_KEY: SECRET_KEY },
      }),
      `http://127.0.0.1:${String(port)}`,
      folder,
    );
    await mkdir(join(folder, 'buckets', S3_BUCKET), { recursive: true });
    await server.#untilItAnswers();
    return server;
  }

  /** The environment of a process that is to use it. */
  get environment(): Record<string, string> {
    return {
      AWS_ACCESS_KEY_ID: ACCESS_KEY,
      AWS_SECRET_ACCESS_KEY: SECRET_KEY,
      AWS_REGION: 'us-east-1',
      AWS_ENDPOINT_URL_S3: this.endpoint,
    };
  }

  /** Answers nothing from now on, as behind a network that has failed. */
  pause(): void {
    this.#process.kill('SIGSTOP');
  }

  resume(): void {
    this.#process.kill('SIGCONT');
  }

  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.#process.once('close', resolve));
    this.#process.kill('SIGKILL');
    await ended;
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #untilItAnswers(): Promise<void> {
    const store = S3ObjectStore.open(`s3://${S3_BUCKET}/start`, this.environment);
    const deadline = performance.now() + START_MS;
    for (;;) {
      try {
        await store.list('');
        return;
      } catch (error) {
        if (performance.now() > deadline || this.#process.exitCode !== null) throw error;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('a TCP server has a port');
  return address.port;
}
