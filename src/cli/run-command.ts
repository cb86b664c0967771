/**
 * The command line beyond `run`: finds the command, parses its options, runs it, and turns what it throws into a sentence and
 * an exit code. Nothing here starts a job.
 */
import { parseArgs } from 'node:util';
import { MillraceError } from '../base/errors.js';
import { nearestName } from '../base/nearest-name.js';
import {
  type Command,
  type Environment,
  type CommandOption,
  EXIT_FAILED,
  EXIT_OK,
  EXIT_USAGE,
  type OptionValues,
  type Terminal,
  UsageError,
} from './command.js';
import { commands } from './commands.js';

/** @param args without the program's name; the first one is the command's name. */
export async function runCommand(
  args: readonly string[],
  terminal: Terminal,
  environment: Environment,
): Promise<number> {
  const [name = '', ...rest] = args;
  if (name === 'help') return help(rest[0], terminal);
  const load = commands[name];
  if (load === undefined) return unknownCommand(name, terminal);
  const command = await load();
  const interrupt = new AbortController();
  const onInterrupt = (): void => interrupt.abort();
  process.once('SIGINT', onInterrupt);
  try {
    const { values, positionals } = parse(command, rest);
    if (values['help'] === true) {
      terminal.out(usageText(name, command));
      return EXIT_OK;
    }
    return await command.run({ values, positionals, terminal, commands, signal: interrupt.signal, environment });
  } catch (error) {
    return complain(name, error, terminal);
  } finally {
    process.off('SIGINT', onInterrupt);
  }
}

/** The list of commands, as part of `millrace --help`. */
export async function commandList(): Promise<string> {
  const lines = await Promise.all(
    Object.entries(commands).map(async ([name, load]) => `  ${name.padEnd(12)}${(await load()).summary}`),
  );
  return ['Commands', `  ${'run'.padEnd(12)}Run a job. Also without a command: millrace --job ./job.js`, ...lines].join(
    '\n',
  );
}

async function help(name: string | undefined, terminal: Terminal): Promise<number> {
  const load = name === undefined ? undefined : commands[name];
  if (name === undefined || load === undefined) {
    terminal.out(
      `${await commandList()}\n\nmillrace help COMMAND says more; millrace run --help lists every setting.\n`,
    );
    return name === undefined ? EXIT_OK : unknownCommand(name, terminal);
  }
  terminal.out(usageText(name, await load()));
  return EXIT_OK;
}

function unknownCommand(name: string, terminal: Terminal): number {
  const nearest = nearestName(name, Object.keys(commands));
  const meaning = /\.[cm]?[jt]s$/.test(name) ? ` Did you mean --job ${name}?` : '';
  const hint = nearest === null ? meaning : ` Did you mean ${nearest}?`;
  terminal.err(`millrace: there is no command "${name}".${hint}\nRun millrace help for a list.\n`);
  return EXIT_USAGE;
}

function parse(command: Command, args: readonly string[]) {
  try {
    const parsed = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { ...command.options, help: { type: 'boolean', short: 'h' } },
    });
    // None of the options may be given twice, so none of the values is an array.
    return { values: parsed.values as OptionValues, positionals: parsed.positionals };
  } catch (cause) {
    throw new UsageError(cause instanceof Error ? cause.message : String(cause));
  }
}

function complain(name: string, error: unknown, terminal: Terminal): number {
  if (error instanceof UsageError) {
    terminal.err(`millrace ${name}: ${error.message}\nRun millrace ${name} --help.\n`);
    return EXIT_USAGE;
  }
  if (!MillraceError.is(error)) throw error;
  const cause = error.cause instanceof Error ? `\n  cause: ${error.cause.message}` : '';
  const hint = error.hint === null ? '' : `\n  ${error.hint}`;
  terminal.err(`millrace ${name}: ${error.message} [${error.code}]${cause}${hint}\n`);
  return error.code === 'MILLRACE_CONFIG_INVALID' ? EXIT_USAGE : EXIT_FAILED;
}

function usageText(name: string, command: Command): string {
  const options: [string, CommandOption][] = [
    ...Object.entries(command.options),
    ['help', { type: 'boolean', description: 'Show this text.' }],
  ];
  const heads = options.map(([option, { placeholder }]) => {
    return `  --${option}${placeholder === undefined ? '' : ` <${placeholder}>`}`;
  });
  const width = Math.max(...heads.map((head) => head.length)) + 2;
  const lines = options.map(([, { description }], index) => `${(heads[index] ?? '').padEnd(width)}${description}`);
  return `Usage: millrace ${name} ${command.usage}\n\n${command.summary}\n\n${lines.join('\n')}\n`;
}
