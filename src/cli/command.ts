/** Exit codes of every command, documented in docs/cli.md. */
export const EXIT_OK = 0;
export const EXIT_FAILED = 1;
export const EXIT_USAGE = 2;

/** Where a command's output goes. Results go to `out`, which scripts read; progress and complaints to `err`. */
export interface Terminal {
  out(text: string): void;
  err(text: string): void;
  /** Whether a person is looking: only then is anything redrawn in place. */
  readonly isInteractive: boolean;
  readonly columns: number;
}

/** An option of a command: what `parseArgs` of node:util needs to know, and what `--help` says. */
export interface CommandOption {
  readonly type: 'string' | 'boolean';
  /** Shown behind the flag: `--job <path>`. None for a switch. */
  readonly placeholder?: string;
  readonly description: string;
}

/** What was written on the command line, by the names of {@link Command.options}. */
export type OptionValues = Readonly<Record<string, string | boolean | undefined>>;

/** Environment variables, of which a command reads those of other tools: credentials of a storage, say. */
export type Environment = Readonly<Record<string, string | undefined>>;

export interface Invocation {
  readonly values: OptionValues;
  readonly positionals: readonly string[];
  readonly terminal: Terminal;
  /** All commands, for the one that completes their names. */
  readonly commands: Commands;
  /** Aborted by Ctrl-C, for commands that go on until somebody ends them. */
  readonly signal: AbortSignal;
  readonly environment: Environment;
}

/** One word behind `millrace`. Loaded only when it is called, so that starting a job does not pay for it. */
export interface Command {
  /** One line for the list of commands. */
  readonly summary: string;
  /** What follows the command's name: `<path> [--format text]`. */
  readonly usage: string;
  readonly options: Readonly<Record<string, CommandOption>>;
  /**
   * @returns the exit code.
   * @throws UsageError for a command line that makes no sense: shown with the usage, exit code 2.
   */
  run(invocation: Invocation): Promise<number>;
}

/** Every command but `run`, which is the process itself, by its word. Each is loaded when it is needed. */
export type Commands = Readonly<Record<string, () => Promise<Command>>>;

/** The command line cannot be understood. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** A text option that the command cannot do without. */
export function requireOption(values: OptionValues, name: string): string {
  const value = values[name];
  if (typeof value !== 'string' || value === '') throw new UsageError(`--${name} is needed`);
  return value;
}

/** A text option, or the default. */
export function textOption(values: OptionValues, name: string, otherwise: string): string {
  const value = values[name];
  return typeof value === 'string' ? value : otherwise;
}

/** A whole number of at least `least`. */
export function integerOption(values: OptionValues, name: string, otherwise: number, least = 1): number {
  const text = values[name];
  if (typeof text !== 'string') return otherwise;
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < least) {
    throw new UsageError(
      `--${name}: expected a whole number of at least ${String(least)}, got ${JSON.stringify(text)}`,
    );
  }
  return value;
}
