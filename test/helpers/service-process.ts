import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { projectPath } from './project-files.js';

/** How a process ended. */
export interface ProcessEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface ServiceOptions {
  /** A folder that outlives the process; without one the service has its own, which {@link ServiceProcess.dispose} removes. */
  readonly dataDir?: string;
  /** Name of a module in `test/fixtures/jobs`, without its extension; the demo job when absent. */
  readonly job?: string;
  /** What stands in front of the settings, such as another command with a `--` behind it. */
  readonly command?: readonly string[];
  /** A free one when absent. */
  readonly port?: number;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** Longest wait for a process to start, to say something, or to end: a bound against hanging. */
const WAIT_MS = 90_000;

/** `node dist/main.js` as a child process on a free port, with what it says. */
export class ServiceProcess {
  readonly dataDir: string;
  /** Settled when the process has ended and all of its output has been read. */
  readonly ended: Promise<ProcessEnd>;
  #stdout = '';
  #stderr = '';
  #url: string | null = null;
  #end: ProcessEnd | null = null;
  readonly #child: ChildProcess;
  readonly #ownsDataDir: boolean;
  #watchers: (() => void)[] = [];

  private constructor(child: ChildProcess, dataDir: string, ownsDataDir: boolean) {
    this.#child = child;
    this.dataDir = dataDir;
    this.#ownsDataDir = ownsDataDir;
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#stdout += text;
      this.#changed();
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text;
      this.#changed();
    });
    this.ended = new Promise((resolve) => {
      child.once('close', (code, signal) => {
        this.#end = { code, signal };
        this.#changed();
        resolve(this.#end);
      });
    });
  }

  /** Starts a process and does not wait for it to serve. */
  static async launch(options: ServiceOptions = {}): Promise<ServiceProcess> {
    const dataDir = options.dataDir ?? (await mkdtemp(join(tmpdir(), 'millrace-service-')));
    const job = options.job === undefined ? [] : ['--job', projectPath(`test/fixtures/jobs/${options.job}.mjs`)];
    const args = [
      projectPath('dist/main.js'),
      ...(options.command ?? []),
      '--port',
      String(options.port ?? 0),
      '--data-dir',
      dataDir,
      ...job,
      ...(options.args ?? []),
    ];
    const child = spawn(process.execPath, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...withoutOwnSettings(process.env), ...options.env },
    });
    return new ServiceProcess(child, dataDir, options.dataDir === undefined);
  }

  /** Starts a process and waits until it serves. */
  static async start(options: ServiceOptions = {}): Promise<ServiceProcess> {
    const service = await ServiceProcess.launch(options);
    await service.listening();
    return service;
  }

  /** Runs a process that is expected to end by itself. */
  static async run(options: ServiceOptions = {}): Promise<{ end: ProcessEnd; service: ServiceProcess }> {
    const service = await ServiceProcess.launch(options);
    try {
      await service.until(() => service.#end !== null, 'the process to end');
      return { end: await service.ended, service };
    } finally {
      await service.dispose();
    }
  }

  /** Where it listens: `http://127.0.0.1:41234`. */
  get url(): string {
    if (this.#url === null) throw new Error('the service does not listen yet');
    return this.#url;
  }

  get stdout(): string {
    return this.#stdout;
  }

  get stderr(): string {
    return this.#stderr;
  }

  get hasEnded(): boolean {
    return this.#end !== null;
  }

  /** Waits for the line that names the address. */
  async listening(): Promise<void> {
    await this.until(() => /^listens\s+\S+$/m.test(this.#stdout), 'the address');
    this.#url = /^listens\s+(\S+)$/m.exec(this.#stdout)?.[1] ?? null;
  }

  /** Waits until `holds`, looked at whenever the process says something or ends. */
  async until(holds: () => boolean, what: string): Promise<void> {
    if (holds()) return;
    await new Promise<void>((resolve, reject) => {
      const give = (error: Error | null): void => {
        clearTimeout(timer);
        this.#watchers = this.#watchers.filter((other) => other !== watcher);
        if (error === null) resolve();
        else reject(error);
      };
      const watcher = (): void => {
        if (holds()) give(null);
        else if (this.#end !== null)
          give(new Error(`the process ended while waiting for ${what}${this.#transcript()}`));
      };
      const timer = setTimeout(() => give(new Error(`no sign of ${what}${this.#transcript()}`)), WAIT_MS);
      this.#watchers.push(watcher);
      watcher();
    });
  }

  fetch(path: string, init: RequestInit = {}): Promise<Response> {
    return fetch(new URL(path, this.url), { signal: AbortSignal.timeout(WAIT_MS), ...init });
  }

  post(path: string, body: unknown, headers: Readonly<Record<string, string>> = {}): Promise<Response> {
    return this.fetch(path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
  }

  /** The value of the first sample of a metric whose labels contain `labels`; `undefined` when there is none. */
  async metric(name: string, labels = ''): Promise<number | undefined> {
    const text = await (await this.fetch('/metrics')).text();
    const line = text
      .split('\n')
      .find((candidate) => /^[^{ ]*/.exec(candidate)?.[0] === name && candidate.includes(labels));
    return line === undefined ? undefined : Number(line.slice(line.lastIndexOf(' ') + 1));
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Asks it to stop, and waits for its end. */
  async stop(signal: 'SIGTERM' | 'SIGINT' = 'SIGTERM'): Promise<ProcessEnd> {
    this.signal(signal);
    await this.until(() => this.#end !== null, `the end after ${signal}`);
    return this.ended;
  }

  /** Kills it without a chance to say good-bye. */
  async kill(): Promise<void> {
    this.signal('SIGKILL');
    await this.ended;
  }

  /** For `finally`: nothing of it is left afterwards but a data folder that somebody else owns. */
  async dispose(): Promise<void> {
    if (!this.hasEnded) await this.kill();
    if (this.#ownsDataDir) await rm(this.dataDir, { recursive: true, force: true });
  }

  #changed(): void {
    for (const watcher of this.#watchers) watcher();
  }

  #transcript(): string {
    return `\n--- stdout\n${this.#stdout}\n--- stderr\n${this.#stderr}`;
  }
}

/** Starts a service, hands it to `use`, and leaves nothing of it behind. */
export async function withService<T>(
  options: ServiceOptions,
  use: (service: ServiceProcess) => Promise<T>,
): Promise<T> {
  const service = await ServiceProcess.start(options);
  try {
    return await use(service);
  } finally {
    await service.dispose();
  }
}

/** Settings of the shell that runs the tests must not reach the service. */
function withoutOwnSettings(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('MILLRACE_')));
}
