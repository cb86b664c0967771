import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder of the project: build/bench/lib is three levels below it. */
export const projectDir = fileURLToPath(new URL('../../../', import.meta.url));

/** A server in a process of its own. */
export interface RunningServer {
  readonly url: string;
  readonly pid: number;
  /** From the start of the process to the line that says it serves, in milliseconds. */
  readonly startedInMs: number;
  stop(): Promise<void>;
  /** Ends it without a chance to say good-bye. */
  kill(): Promise<void>;
}

/** Starts `node dist/main.js` on a free port with a data folder that is removed at the end, or with one that stays. */
export async function startMillrace(
  args: readonly string[],
  { dataDir, env = {} }: { readonly dataDir?: string; readonly env?: Readonly<Record<string, string>> } = {},
): Promise<RunningServer> {
  const folder = dataDir ?? (await mkdtemp(join(tmpdir(), 'millrace-bench-')));
  const command = ['dist/main.js', '--port', '0', '--data-dir', folder, ...args];
  const server = await startServer(command, /listens\s+(\S+)/, env);
  return {
    ...server,
    stop: async () => {
      await server.stop();
      if (dataDir === undefined) await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Starts the bare fastify server. */
export function startBareFastify(): Promise<RunningServer> {
  return startPeer('fastify-echo', []);
}

/** Starts a peer that serves HTTP. */
export function startPeer(name: string, args: readonly string[]): Promise<RunningServer> {
  return startServer([`build/bench/peers/${name}.js`, ...args], /"url":"([^"]+)"/);
}

async function startServer(
  args: readonly string[],
  ready: RegExp,
  env: Readonly<Record<string, string>> = {},
): Promise<RunningServer> {
  const startedAt = performance.now();
  const child = spawn(process.execPath, args, {
    cwd: projectDir,
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...env },
  });
  const url = await firstMatch(child, ready, args.join(' '));
  return {
    url,
    pid: child.pid ?? 0,
    startedInMs: performance.now() - startedAt,
    stop: () => stopChild(child, 'SIGTERM'),
    kill: () => stopChild(child, 'SIGKILL'),
  };
}

/** Runs a job that ends by itself, and gives what it wrote to standard output. */
export async function runJob(job: string, args: readonly string[], env: Record<string, string>): Promise<string> {
  const dataDir = await mkdtemp(join(tmpdir(), 'millrace-bench-'));
  const command = ['dist/main.js', '--port', '0', '--data-dir', dataDir, '--job', job, '--log-level', 'error', ...args];
  const child = spawn(process.execPath, command, {
    cwd: projectDir,
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...env },
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  const code = await exitOf(child);
  await rm(dataDir, { recursive: true, force: true });
  if (code !== 0) throw new Error(`job ${job} ended with exit code ${String(code)}`);
  return output;
}

/** Resident memory of a process, in MiB. */
export async function residentMiB(pid: number): Promise<number> {
  const status = await readFile(`/proc/${String(pid)}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? Number.NaN) / 1024;
}

function firstMatch(child: ChildProcess, pattern: RegExp, what: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let output = '';
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      const match = pattern.exec(output);
      if (match?.[1] !== undefined) resolve(match[1]);
    });
    child.once('exit', (code) => reject(new Error(`${what} ended with exit code ${String(code)} before it served`)));
  });
}

async function stopChild(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  const ended = exitOf(child);
  child.kill(signal);
  await ended;
}

function exitOf(child: ChildProcess): Promise<number | null> {
  if (child.exitCode !== null) return Promise.resolve(child.exitCode);
  return new Promise((resolve) => {
    child.once('exit', (code) => resolve(code));
  });
}
