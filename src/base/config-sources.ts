/**
 * Where settings are written: flags, environment variables, a JSON file. This file finds what was written and under which
 * name; it refuses names that nobody knows. What a value means is setting.ts's business.
 */
import { nearestName } from './nearest-name.js';
import type { SettingTable } from './setting.js';

/** Everything that may hold settings. Later ones win: defaults, file, environment, flags. */
export interface ConfigSources {
  /** Without the program's name: `process.argv.slice(2)`. */
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The config file's text, when there is one: main.ts reads it. */
  readonly file: { readonly path: string; readonly text: string } | null;
}

/** A value as somebody wrote it, unchecked: text from a flag or the environment, JSON from the file. */
export interface WrittenValue {
  readonly key: string;
  readonly form: 'text' | 'json';
  readonly value: unknown;
  /** How the place is named to a person: `--port`, `MILLRACE_PORT`, `port in ./millrace.json`. */
  readonly origin: string;
}

/** One thing that is wrong with the configuration. */
export interface ConfigProblem {
  /** The setting's key; `null` when no setting has that name. */
  readonly setting: string | null;
  readonly origin: string;
  /** A clause: what is wrong and what is allowed. */
  readonly problem: string;
}

/** What the sources say, from the weakest to the strongest: a later value for a key replaces an earlier one. */
export interface Collected {
  readonly written: readonly WrittenValue[];
  readonly problems: readonly ConfigProblem[];
}

/** What must be known before settings can be read at all. */
export interface CommandLine {
  readonly help: boolean;
  readonly version: boolean;
  /** Path of the config file, from the flag or the environment. */
  readonly configPath: string | null;
}

const ENV_PREFIX = 'MILLRACE_';

/** `dataDir` as a flag: `--data-dir`. */
export function flagOf(key: string): string {
  return `--${key.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/** `dataDir` in the environment: `MILLRACE_DATA_DIR`. */
export function envOf(key: string): string {
  return ENV_PREFIX + key.replaceAll(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase();
}

/** Reads only `--help`, `--version` and `--config`; never fails. */
export function scanCommandLine(table: SettingTable, sources: Omit<ConfigSources, 'file'>): CommandLine {
  const { written, help, version } = readFlags(table, sources.args);
  const flag = written.findLast(({ key }) => key === 'config');
  const path = flag?.value ?? sources.env[envOf('config')];
  return { help, version, configPath: typeof path === 'string' && path !== '' ? path : null };
}

/** Everything that the sources say, and every name that they got wrong. */
export function collectSettings(table: SettingTable, sources: ConfigSources): Collected {
  const parts: Collected[] = [
    sources.file === null ? { written: [], problems: [] } : readFile(table, sources.file),
    readEnvironment(table, sources.env),
    readFlags(table, sources.args),
  ];
  return { written: parts.flatMap((part) => part.written), problems: parts.flatMap((part) => part.problems) };
}

// ---------------------------------------------------------------------------------------------------------------- flags

interface Flags extends Collected {
  readonly help: boolean;
  readonly version: boolean;
}

function readFlags(table: SettingTable, args: readonly string[]): Flags {
  const keys = new Map(Object.keys(table).map((key) => [flagOf(key), key]));
  const written: WrittenValue[] = [];
  const problems: ConfigProblem[] = [];
  const seen = new Set<string>();
  let help = false;
  let version = false;

  let next = 0;
  while (next < args.length) {
    const arg = args[next++] as string;
    if (arg === '--help' || arg === '-h') {
      help = true;
      continue;
    }
    if (arg === '--version' || arg === '-v') {
      version = true;
      continue;
    }
    const flag = splitFlag(table, keys, arg);
    if (flag.key === null) {
      problems.push(unknownArgument(arg, flag.name, [...keys.keys(), '--help', '--version']));
      // What follows an unknown flag is most likely its value: naming it too would only hide the cause.
      if (arg.startsWith('-') && flag.value === null && isValue(args[next])) next++;
      continue;
    }
    const { key, name } = flag;
    if (seen.has(key)) problems.push({ setting: key, origin: name, problem: 'given more than once' });
    seen.add(key);
    if (flag.value !== null) {
      written.push({ key, form: 'text', value: flag.value, origin: name });
    } else if (isValue(args[next])) {
      written.push({ key, form: 'text', value: args[next++], origin: name });
    } else {
      problems.push({ setting: key, origin: name, problem: 'needs a value' });
    }
  }
  return { written, problems, help, version };
}

function isValue(arg: string | undefined): boolean {
  return arg !== undefined && !arg.startsWith('--');
}

interface SplitFlag {
  /** `null` when no setting has this flag. */
  readonly key: string | null;
  readonly name: string;
  /** `null` when the value is the next argument. */
  readonly value: string | null;
}

/** `--port=80` and `--port 80`; a switch is `--docs-page`, `--docs-page=false` or `--no-docs-page`. */
function splitFlag(table: SettingTable, keys: ReadonlyMap<string, string>, arg: string): SplitFlag {
  const equals = arg.indexOf('=');
  const name = equals < 0 ? arg : arg.slice(0, equals);
  const value = equals < 0 ? null : arg.slice(equals + 1);
  const key = keys.get(name);
  if (key !== undefined) return { key, name, value: value ?? (table[key]?.kind === 'switch' ? 'true' : null) };

  const positive = keys.get(name.replace(/^--no-/, '--'));
  const isNegatedSwitch = positive !== undefined && table[positive]?.kind === 'switch' && value === null;
  return isNegatedSwitch ? { key: positive, name, value: 'false' } : { key: null, name, value };
}

function unknownArgument(arg: string, name: string, known: readonly string[]): ConfigProblem {
  if (name.startsWith('-')) return unknownName('flag', name, known);
  const meaning = /\.[cm]?[jt]s$/.test(arg) ? `; did you mean --job ${arg}?` : '';
  return { setting: null, origin: arg, problem: `unexpected argument${meaning}` };
}

// ---------------------------------------------------------------------------------------------------------- environment

/**
 * What container platforms put into the environment of every process when a service happens to be called `millrace`:
 * `MILLRACE_SERVICE_HOST`, `MILLRACE_PORT_8080_TCP_ADDR`, and `MILLRACE_PORT` with an address in it. Not ours.
 */
const SERVICE_LINK = /^MILLRACE_(SERVICE_(HOST|PORT)(_.*)?|PORT_\d+_(TCP|UDP)(_.*)?)$/;

function isServiceLink(name: string, value: string): boolean {
  return SERVICE_LINK.test(name) || (name === envOf('port') && /^(tcp|udp):\/\//.test(value));
}

function readEnvironment(table: SettingTable, env: ConfigSources['env']): Collected {
  const keys = new Map(Object.keys(table).map((key) => [envOf(key), key]));
  const written: WrittenValue[] = [];
  const problems: ConfigProblem[] = [];
  for (const [name, value] of Object.entries(env)) {
    // An empty variable is an unset one: a compose file passes on what the shell does not have as ''.
    if (!name.startsWith(ENV_PREFIX) || value === undefined || value === '' || isServiceLink(name, value)) continue;
    const key = keys.get(name);
    if (key === undefined) problems.push(unknownName('environment variable', name, keys.keys()));
    else written.push({ key, form: 'text', value, origin: name });
  }
  return { written, problems };
}

// ----------------------------------------------------------------------------------------------------------------- file

function readFile(table: SettingTable, file: { readonly path: string; readonly text: string }): Collected {
  const content = parseObject(file.text);
  if (typeof content === 'string') {
    return { written: [], problems: [{ setting: 'config', origin: file.path, problem: content }] };
  }
  const written: WrittenValue[] = [];
  const problems: ConfigProblem[] = [];
  for (const [key, value] of Object.entries(content)) {
    const origin = `"${key}" in ${file.path}`;
    if (key === 'config') {
      problems.push({ setting: key, origin, problem: 'a config file cannot name another' });
    } else if (Object.hasOwn(table, key)) {
      written.push({ key, form: 'json', value, origin });
    } else {
      problems.push({ ...unknownName('key', key, Object.keys(table)), origin });
    }
  }
  return { written, problems };
}

/** The JSON object, or a clause that says why the text is none. */
function parseObject(text: string): object | string {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
    return 'expected a JSON object of settings';
  } catch (error) {
    return `not JSON: ${error instanceof Error ? error.message : String(error)}`;
  }
}

function unknownName(what: string, name: string, known: Iterable<string>): ConfigProblem {
  const nearest = nearestName(name, known);
  return {
    setting: null,
    origin: name,
    problem: `unknown ${what}${nearest === null ? '' : `; did you mean ${nearest}?`}`,
  };
}
