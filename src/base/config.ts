/**
 * From what people wrote to a checked {@link Config}, or to one error that names everything that is wrong.
 *
 * Pure: main.ts reads the config file and hands in arguments, environment and the number of cores.
 */
import { parseParallelismRange } from './parallelism-range.js';
import {
  type CommandLine,
  collectSettings,
  type ConfigProblem,
  type ConfigSources,
  flagOf,
  scanCommandLine,
  type WrittenValue,
} from './config-sources.js';
import { type Config, settings } from './config-table.js';
import { ConfigError } from './errors.js';
import {
  type AnySettingValue,
  checkJson,
  checkText,
  defaultValue,
  formatQuantity,
  type Machine,
  type Setting,
  type SettingTable,
} from './setting.js';

export type { CommandLine, ConfigProblem, ConfigSources } from './config-sources.js';
export { type Config, settings } from './config-table.js';
export type { Machine } from './setting.js';

const table: SettingTable = settings;

/** Reads only `--help`, `--version` and the path of the config file. Never fails: {@link parseConfig} reports what is wrong. */
export function readCommandLine(sources: Omit<ConfigSources, 'file'>): CommandLine {
  return scanCommandLine(table, sources);
}

/**
 * Checks every value of every source, also those that a stronger source overrides.
 *
 * @throws ConfigError with all problems, as text in `message` and as {@link ConfigProblem} objects in `details.problems`.
 */
export function parseConfig(sources: ConfigSources, machine: Machine): Config {
  const { written, problems: unknown } = collectSettings(table, sources);
  const values: Record<string, AnySettingValue> = {};
  for (const [key, setting] of Object.entries(table)) values[key] = defaultValue(setting, machine);

  const problems = [...unknown];
  const origins = new Map<string, string>();
  for (const item of written) {
    const setting = table[item.key] as Setting;
    const checked = item.form === 'text' ? checkText(setting, String(item.value)) : checkJson(setting, item.value);
    if (checked.ok) {
      values[item.key] = checked.value;
      origins.set(item.key, item.origin);
    } else {
      problems.push(wrongValue(setting, item, checked.expected));
    }
  }

  // The table has exactly the keys of Config, and each value was checked by its setting or is its default.
  const config = capDefaults(values as unknown as Config, origins);
  problems.push(...conflicts(config, origins));
  if (problems.length > 0) throw toError(problems);
  return config;
}

/** Every value under its key, for logs and the admin API. Secrets are masked. */
export function describeConfig(
  config: Config,
  described: SettingTable = table,
): Readonly<Record<string, AnySettingValue>> {
  const values = Object.entries(config).map(([key, value]: [string, AnySettingValue]) => {
    const isSecret = described[key]?.secret === true && value !== null;
    return [key, isSecret ? '***' : value] as const;
  });
  return Object.fromEntries(values);
}

/** A default never conflicts with a value that somebody wrote: fewer shards mean fewer threads, and Kafka the backend heap. */
function capDefaults(config: Config, origins: ReadonlyMap<string, string>): Config {
  const parallelism = origins.has('parallelism') ? config.parallelism : Math.min(config.parallelism, config.shardCount);
  const isHeap = config.transport === 'kafka' && !origins.has('stateBackend');
  return { ...config, parallelism, stateBackend: isHeap ? 'heap' : config.stateBackend };
}

/** What each value allows by itself but not together. */
function conflicts(config: Config, origins: ReadonlyMap<string, string>): ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  const refuse = (setting: keyof Config, problem: string): void => {
    problems.push({ setting, origin: origins.get(setting) ?? flagOf(setting), problem });
  };
  const atMost = (setting: keyof Config, limit: keyof Config, unit: 'none' | 'ms' | 'bytes'): void => {
    const value = config[setting] as number;
    const most = config[limit] as number;
    if (value <= most) return;
    refuse(
      setting,
      `expected at most ${limit}, which is ${formatQuantity(most, unit)}, got ${formatQuantity(value, unit)}`,
    );
  };

  atMost('parallelism', 'shardCount', 'none');
  if (config.autoscale !== null) {
    const range = parseParallelismRange(config.autoscale);
    if (range === null || range.most > config.shardCount) {
      const text = JSON.stringify(config.autoscale);
      refuse(
        'autoscale',
        `expected min..max with 1 <= min <= max <= shardCount, which is ${config.shardCount}, got ${text}`,
      );
    }
  }
  atMost('headersTimeoutMs', 'receiveTimeoutMs', 'ms');
  atMost('requestTimeoutMs', 'requestTimeoutMaxMs', 'ms');
  atMost('bodyLimitBytes', 'pendingMaxBytes', 'bytes');
  atMost('bodyLimitBytes', 'receivingMaxBytes', 'bytes');
  if ((config.tlsCert === null) !== (config.tlsKey === null)) {
    refuse(config.tlsCert === null ? 'tlsCert' : 'tlsKey', 'tlsCert and tlsKey are needed together');
  }
  if (config.transport === 'kafka' && config.brokers.length === 0) {
    refuse('brokers', 'needed with transport kafka: a list of host:port');
  }
  if (config.transport !== 'kafka' && config.brokers.length > 0) {
    refuse('brokers', 'only with transport kafka');
  }
  if (config.transport === 'kafka' && config.fromSavepoint !== null) {
    refuse('fromSavepoint', 'not with transport kafka, where a job goes on from what its group has committed');
  }
  const malformed = config.brokers.filter((broker) => !/^[^\s:/]+:\d{1,5}$|^\[[0-9a-fA-F:]+\]:\d{1,5}$/.test(broker));
  if (malformed.length > 0) {
    refuse('brokers', `expected host:port, got ${malformed.map((broker) => JSON.stringify(broker)).join(', ')}`);
  }
  for (const key of ['otlpEndpoint', 'kafkaAdvertisedUrl'] as const) {
    const url = config[key];
    if (url !== null && !isHttpUrl(url)) {
      refuse(key, `expected an http:// or https:// URL, got ${JSON.stringify(url)}`);
    }
  }
  return problems;
}

function isHttpUrl(text: string): boolean {
  return /^https?:\/\//i.test(text) && URL.canParse(text);
}

const SHOWN_LENGTH_MAX = 80;

function wrongValue(setting: Setting, { key, value, origin }: WrittenValue, expected: string): ConfigProblem {
  if (setting.secret === true) return { setting: key, origin, problem: `expected ${expected}` };
  const text = JSON.stringify(value) ?? String(value);
  const shown = text.length > SHOWN_LENGTH_MAX ? `${text.slice(0, SHOWN_LENGTH_MAX)}…` : text;
  return { setting: key, origin, problem: `expected ${expected}, got ${shown}` };
}

function toError(problems: readonly ConfigProblem[]): ConfigError {
  const clauses = problems.map(({ origin, problem }) => `${origin}: ${problem}`);
  const count = problems.length === 1 ? '1 setting is' : `${problems.length} settings are`;
  return new ConfigError(`${count} wrong: ${clauses.join('; ')}`, {
    details: { problems },
    hint: 'Run with --help to see every setting.',
  });
}
