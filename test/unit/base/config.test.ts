import { describe, expect, it } from 'vitest';
import { DEFAULT_SHARD_COUNT } from '../../../src/api/internal/key-groups.js';
import {
  type Config,
  type ConfigProblem,
  type ConfigSources,
  describeConfig,
  parseConfig,
  readCommandLine,
  settings,
} from '../../../src/base/config.js';
import { ConfigError, MillraceError } from '../../../src/base/errors.js';
import { checkJson, type SettingTable } from '../../../src/base/setting.js';
import { defaultGatewayConfig } from '../../../src/http/gateway-config.js';

const machine = { availableCores: 4 };

function parse(sources: Partial<ConfigSources> = {}, cores = machine): Config {
  return parseConfig({ args: [], env: {}, file: null, ...sources }, cores);
}

function problemsOf(sources: Partial<ConfigSources>): string[] {
  try {
    parse(sources);
  } catch (error) {
    expect(MillraceError.is(error, 'MILLRACE_CONFIG_INVALID')).toBe(true);
    expect(error).toBeInstanceOf(ConfigError);
    const problems = (error as ConfigError).details?.['problems'] as readonly ConfigProblem[];
    return problems.map(({ origin, problem }) => `${origin}: ${problem}`);
  }
  return [];
}

describe('the defaults', () => {
  it('serve the demo job on this machine only, with durable state', () => {
    expect(parse()).toMatchObject({
      host: '127.0.0.1',
      port: 8080,
      dataDir: './data',
      job: null,
      transport: 'embedded',
      stateBackend: 'lmdb',
      checkpointIntervalMs: 1000,
      bodyLimitBytes: 1_048_576,
    });
  });

  it.each([
    [1, 1],
    [2, 1],
    [4, 3],
    [96, 16],
  ])('leave one of %i cores to the main thread, within bounds: %i workers', (availableCores, parallelism) => {
    expect(parse({}, { availableCores }).parallelism).toBe(parallelism);
  });

  it('never conflict with what somebody wrote: fewer shards mean fewer workers', () => {
    expect(parse({ args: ['--shard-count', '2'] }, { availableCores: 64 }).parallelism).toBe(2);
  });

  it('are allowed values themselves', () => {
    const refused = Object.entries(settings as SettingTable).filter(([, setting]) => {
      const value = typeof setting.default === 'function' ? setting.default(machine) : setting.default;
      return value !== null && !checkJson(setting, value).ok;
    });
    expect(refused).toEqual([]);
  });

  it('agree with the layers that have defaults of their own', () => {
    expect(settings.shardCount.default).toBe(DEFAULT_SHARD_COUNT);
    expect(parse()).toMatchObject({ ...defaultGatewayConfig });
  });
});

describe('sources', () => {
  it('override each other: file, then environment, then flags', () => {
    const file = { path: 'm.json', text: '{ "port": 1, "host": "file", "group": "file" }' };
    const env = { MILLRACE_PORT: '2', MILLRACE_HOST: 'env' };
    expect(parse({ file })).toMatchObject({ port: 1, host: 'file', group: 'file' });
    expect(parse({ file, env })).toMatchObject({ port: 2, host: 'env', group: 'file' });
    expect(parse({ file, env, args: ['--port=3'] })).toMatchObject({ port: 3, host: 'env', group: 'file' });
  });

  it('are all checked, also where a stronger one overrides', () => {
    expect(problemsOf({ env: { MILLRACE_PORT: 'http' }, args: ['--port', '80'] })).toEqual([
      'MILLRACE_PORT: expected a whole number from 0 to 65535, got "http"',
    ]);
  });

  it('tell help, version and the config file before anything is checked', () => {
    expect(readCommandLine({ args: ['--help', '--nonsense'], env: {} }).help).toBe(true);
  });
});

describe('an invalid configuration', () => {
  it('is one error that names every wrong field, where it came from and what is allowed', () => {
    const problems = problemsOf({
      args: ['--prot', '80', '--parallelism', '0', '--state-backend=redis'],
      env: { MILLRACE_CHECKPOINT_INTERVAL_MS: 'fast', MILLRACE_DATADIR: 'x' },
      file: { path: 'm.json', text: '{ "retentionBytes": "1 GB", "brokers": "a:1", "jobs": "a.js" }' },
    });
    expect(problems).toEqual([
      '"jobs" in m.json: unknown key; did you mean job?',
      'MILLRACE_DATADIR: unknown environment variable; did you mean MILLRACE_DATA_DIR?',
      '--prot: unknown flag; did you mean --port?',
      '"retentionBytes" in m.json: expected a whole number from 1 MiB to 1024 TiB, or unlimited, got "1 GB"',
      '"brokers" in m.json: expected texts separated by commas, in a file an array of texts, got "a:1"',
      'MILLRACE_CHECKPOINT_INTERVAL_MS: expected a whole number from 50 ms to 1 d, got "fast"',
      '--parallelism: expected a whole number from 1 to 256, got "0"',
      '--state-backend: expected one of lmdb, heap, got "redis"',
    ]);
  });

  it('counts its problems in the message', () => {
    expect(() => parse({ args: ['--port', 'a'] })).toThrow(/^1 setting is wrong: --port: expected/);
    expect(() => parse({ args: ['--port', 'a', '--x'] })).toThrow(/^2 settings are wrong: /);
  });

  it('shows only the beginning of a long value', () => {
    const [problem] = problemsOf({ args: ['--port', 'x'.repeat(10_000)] });
    expect(problem?.length).toBeLessThan(200);
  });

  it.each([
    [['--parallelism', '8', '--shard-count', '4'], '--parallelism: expected at most shardCount, which is 4, got 8'],
    [
      ['--autoscale', '1..8', '--shard-count', '4'],
      '--autoscale: expected min..max with 1 <= min <= max <= shardCount, which is 4, got "1..8"',
    ],
    [
      ['--autoscale', '3..2'],
      '--autoscale: expected min..max with 1 <= min <= max <= shardCount, which is 16, got "3..2"',
    ],
    [['--otlp-endpoint', 'collector'], '--otlp-endpoint: expected an http:// or https:// URL, got "collector"'],
    [['--otlp-endpoint', 'http://'], '--otlp-endpoint: expected an http:// or https:// URL, got "http://"'],
    [['--kafka-advertised-url', 'foo'], '--kafka-advertised-url: expected an http:// or https:// URL, got "foo"'],
    [['--headers-timeout-ms', '1m'], '--headers-timeout-ms: expected at most receiveTimeoutMs, which is 30 s, got 1 m'],
    [['--receive-timeout-ms', '1s'], '--headers-timeout-ms: expected at most receiveTimeoutMs, which is 1 s, got 10 s'],
    [
      ['--request-timeout-ms', '10m'],
      '--request-timeout-ms: expected at most requestTimeoutMaxMs, which is 5 m, got 10 m',
    ],
    [
      ['--pending-max-bytes', '512KiB'],
      '--body-limit-bytes: expected at most pendingMaxBytes, which is 512 KiB, got 1 MiB',
    ],
    [
      ['--receiving-max-bytes', '512KiB'],
      '--body-limit-bytes: expected at most receivingMaxBytes, which is 512 KiB, got 1 MiB',
    ],
    [['--transport', 'kafka'], '--brokers: needed with transport kafka: a list of host:port'],
    [['--brokers', 'a:1'], '--brokers: only with transport kafka'],
    [
      ['--transport', 'kafka', '--brokers', 'a:1', '--from-savepoint', 'place'],
      '--from-savepoint: not with transport kafka, where a job goes on from what its group has committed',
    ],
    [['--transport', 'kafka', '--brokers', 'a:1,b,http://c:1'], '--brokers: expected host:port, got "b", "http://c:1"'],
  ])('%j: values that do not fit together are refused', (args, problem) => {
    expect(problemsOf({ args })).toEqual([problem]);
  });

  it('keeps state on the heap with Kafka unless lmdb is asked for', () => {
    const args = ['--transport', 'kafka', '--brokers', 'a:1'];
    expect(parse({ args }).stateBackend).toBe('heap');
    expect(parse({ args: [...args, '--state-backend', 'lmdb'] }).stateBackend).toBe('lmdb');
  });

  it('accepts brokers by name and by address', () => {
    const args = ['--transport', 'kafka', '--brokers', 'kafka-1:9092,10.0.0.1:9092,[::1]:9092'];
    expect(parse({ args }).brokers).toEqual(['kafka-1:9092', '10.0.0.1:9092', '[::1]:9092']);
  });
});

describe('describeConfig', () => {
  it('gives every value under its key', () => {
    expect(describeConfig(parse())).toEqual(parse());
  });

  it('masks secrets', () => {
    const table: SettingTable = {
      ...settings,
      group: { section: 'Test', kind: 'text', default: '', description: 'a secret one', secret: true },
    };
    expect(describeConfig(parse({ args: ['--group', 'hush'] }), table)).toMatchObject({ group: '***', port: 8080 });
  });
});
