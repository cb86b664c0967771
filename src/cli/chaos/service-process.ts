import { type ChildProcess, type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { MillraceError } from '../../base/errors.js';
import type { ChaosAnswer, ChaosOperation } from '../../testing/chaos-checker.js';
import type { Environment } from '../command.js';

const START_MS = 60_000;
const CALL_MS = 20_000;
/** A start that fails is tried again, for the disk may still be full; not for ever, for the state may be beyond repair. */
const STARTS_MAX = 20;
const START_AGAIN_MS = 200;
const OUTPUT_CHARS = 20_000;

/** The process under test: started again whenever it has ended, whoever ended it. */
export class ServiceProcess {
  /** How often it ended without being killed. */
  ownEnds = 0;
  readonly #args: readonly string[];
  readonly #environment: Environment;
  #child: ChildProcess | null = null;
  #url: string | null = null;
  #output = '';
  #isStopping = false;
  #ready: Promise<void> = Promise.resolve();

  /** @param args of Node.js. */
  constructor(args: readonly string[], environment: Environment) {
    this.#args = args;
    this.#environment = environment;
  }

  /** The end of what it has complained about. */
  get output(): string {
    return this.#output;
  }

  /**
   * Resolves when it serves.
   *
   * @throws MillraceError `MILLRACE_NOT_READY` when it ends before that.
   */
  start(): Promise<void> {
    this.#ready = this.#launch();
    return this.#ready;
  }

  /**
   * Resolves when it serves, after however many restarts.
   *
   * @throws MillraceError `MILLRACE_NOT_READY` when it has failed to start again and again.
   */
  ready(): Promise<void> {
    return this.#ready;
  }

  signal(name: NodeJS.Signals): void {
    this.#child?.kill(name);
  }

  /** Ends it with SIGKILL; it is started again. Resolves when it serves. */
  async kill(): Promise<void> {
    await this.#ready;
    await this.#end('SIGKILL');
    await this.#ready;
  }

  /** Ends it for good: in order, or with SIGKILL. @returns its exit code */
  async stop(signal: 'SIGTERM' | 'SIGKILL'): Promise<number | null> {
    this.#isStopping = true;
    await this.#end(signal);
    return this.#child?.exitCode ?? null;
  }

  /** One HTTP request. Rejects when there is no answer. */
  async call({ method, path, body }: ChaosOperation, headers: Readonly<Record<string, string>>): Promise<ChaosAnswer> {
    if (this.#url === null) throw new Error('the service is down');
    const response = await fetch(new URL(path, this.#url), {
      method,
      headers: { ...headers, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(CALL_MS),
    });
    const text = await response.text();
    return { status: response.status, json: parsed(text) };
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill(signal);
    await ended;
  }

  async #launch(): Promise<void> {
    const child = this.#spawn();
    const limit = setTimeout(() => child.kill('SIGKILL'), START_MS);
    try {
      this.#url = await this.#address(child);
    } finally {
      clearTimeout(limit);
    }
  }

  #spawn(): ChildProcessByStdio<null, Readable, Readable> {
    const child = spawn(process.execPath, this.#args, { stdio: ['ignore', 'pipe', 'pipe'], env: this.#environment });
    this.#child = child;
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#output = (this.#output + text).slice(-OUTPUT_CHARS);
    });
    return child;
  }

  /** Where the process listens, once it does. Rejects when it ends before that. */
  #address(child: ChildProcessByStdio<null, Readable, Readable>): Promise<string> {
    return new Promise((resolve, reject) => {
      let hasServed = false;
      let text = '';
      child.stdout.setEncoding('utf8').on('data', (part: string) => {
        if (hasServed) return;
        text += part;
        const url = /^listens\s+(\S+)$/m.exec(text)?.[1];
        if (url === undefined) return;
        hasServed = true;
        resolve(url);
      });
      child.once('exit', (code, signal) => {
        if (hasServed) this.#onEnd(signal);
        else reject(notReady(`the service ended (${String(code ?? signal)}) before it served`));
      });
    });
  }

  #onEnd(signal: NodeJS.Signals | null): void {
    this.#url = null;
    if (this.#isStopping) return;
    if (signal !== 'SIGKILL') this.ownEnds += 1;
    this.#ready = this.#startAgain();
    // Whoever waits for it hears of it.
    this.#ready.catch(() => undefined);
  }

  async #startAgain(): Promise<void> {
    for (let failures = 0; ;) {
      try {
        return await this.#launch();
      } catch (error) {
        if (++failures === STARTS_MAX || this.#isStopping) throw error;
        await delay(START_AGAIN_MS);
      }
    }
  }
}

function parsed(text: string): unknown {
  if (text === '') return null;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function notReady(message: string): MillraceError {
  return new MillraceError('MILLRACE_NOT_READY', message, { hint: 'What the service wrote stands above.' });
}
