import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { ProgramResult } from './run-program.js';

/** A bound against hanging. */
const WAIT_MS = 60_000;

/** A program that runs until somebody ends it, with what it has said so far. */
export class RunningProgram {
  #stdout = '';
  #stderr = '';
  readonly #child: ChildProcess;
  readonly #ended: Promise<number | null>;
  #onChange: () => void = () => undefined;

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#stdout += text;
      this.#onChange();
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text;
      this.#onChange();
    });
    this.#ended = once(child, 'close').then(([code]) => {
      this.#onChange();
      return code as number | null;
    });
  }

  static start(command: string, args: readonly string[], options: { readonly cwd?: string } = {}): RunningProgram {
    return new RunningProgram(spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options }));
  }

  get stdout(): string {
    return this.#stdout;
  }

  get stderr(): string {
    return this.#stderr;
  }

  /** Resolves with what `read` finds in what the program has said, as soon as it finds something. */
  async until<T>(read: () => T | null | undefined, what: string): Promise<T> {
    const startedAt = performance.now();
    for (;;) {
      const found = read();
      if (found !== null && found !== undefined) return found;
      const leftMs = WAIT_MS - (performance.now() - startedAt);
      if (leftMs <= 0 || this.#child.exitCode !== null) {
        throw new Error(`${what} never came:\n${this.#stdout}\n${this.#stderr}`);
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, leftMs);
        this.#onChange = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  /** Sends a signal and waits for the end. */
  async end(signal: NodeJS.Signals = 'SIGINT'): Promise<ProgramResult> {
    if (this.#child.exitCode === null) this.#child.kill(signal);
    return { code: await this.#ended, stdout: this.#stdout, stderr: this.#stderr };
  }
}
