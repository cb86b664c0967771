import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { type FSWatcher, watch } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { type Command, EXIT_OK, requireOption, textOption, type Terminal } from './command.js';
import { mainFile } from './main-file.js';

/** Editors write a file in several steps, and a build writes many: one restart for all of them. */
const QUIET_MS = 150;

/** Runs a job and starts it again, from its last checkpoint, whenever its files change. */
export const dev: Command = {
  summary: 'Run a job, and restart it from its last checkpoint when its files change.',
  usage: '--job <path> [--watch <folder>] [--build <command>] [-- <settings of run>]',
  options: {
    job: { type: 'string', placeholder: 'path', description: 'The job module, compiled: what run takes as --job.' },
    watch: { type: 'string', placeholder: 'folder', description: 'Folder to watch. Default: that of the job module.' },
    build: {
      type: 'string',
      placeholder: 'command',
      description:
        'Run by the shell before each start, such as "tsc -b". A failing build leaves the running job alone.',
    },
  },
  async run({ values, positionals, terminal, signal }) {
    const job = resolve(requireOption(values, 'job'));
    const watched = resolve(textOption(values, 'watch', dirname(job)));
    const session = new DevSession(['run', '--job', job, ...positionals], textOption(values, 'build', ''), terminal);
    const watcher = watch(watched, { recursive: true }, () => session.changed());
    terminal.err(`watching ${watched}; Ctrl-C ends\n`);
    session.changed();
    try {
      if (!signal.aborted) await once(signal, 'abort');
    } finally {
      await session.end(watcher);
    }
    return EXIT_OK;
  },
};

/**
 * One job process at a time. A change while a restart is under way leads to one more restart behind it, never to two at once.
 */
class DevSession {
  readonly #runArgs: readonly string[];
  readonly #build: string;
  readonly #terminal: Terminal;
  #child: ChildProcess | null = null;
  #quiet: NodeJS.Timeout | null = null;
  #restarting: Promise<void> = Promise.resolve();
  #isOver = false;

  constructor(runArgs: readonly string[], build: string, terminal: Terminal) {
    this.#runArgs = runArgs;
    this.#build = build;
    this.#terminal = terminal;
  }

  changed(): void {
    if (this.#quiet !== null) clearTimeout(this.#quiet);
    this.#quiet = setTimeout(() => {
      this.#quiet = null;
      this.#restarting = this.#restarting.then(() => this.#restart());
    }, QUIET_MS);
  }

  async end(watcher: FSWatcher): Promise<void> {
    this.#isOver = true;
    watcher.close();
    if (this.#quiet !== null) clearTimeout(this.#quiet);
    await this.#restarting;
    await this.#stopChild();
  }

  async #restart(): Promise<void> {
    if (this.#isOver || !(await this.#builds())) return;
    await this.#stopChild();
    const child = spawn(process.execPath, [mainFile(), ...this.#runArgs], { stdio: 'inherit' });
    this.#child = child;
    child.once('exit', (code) => {
      if (this.#child !== child) return;
      this.#child = null;
      if (!this.#isOver) this.#terminal.err(`the job ended with exit code ${String(code)}; waiting for a change\n`);
    });
  }

  async #builds(): Promise<boolean> {
    if (this.#build === '') return true;
    const child = spawn(this.#build, { shell: true, stdio: 'inherit' });
    const [code] = (await once(child, 'exit')) as [number | null];
    if (code !== 0) this.#terminal.err('the build failed; the job runs on as it was\n');
    return code === 0;
  }

  /** In order, so that the next start has nothing to replay. */
  async #stopChild(): Promise<void> {
    const child = this.#child;
    this.#child = null;
    if (child === null || child.exitCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGTERM');
    await exited;
  }
}
