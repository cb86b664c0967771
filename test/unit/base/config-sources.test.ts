import { describe, expect, it } from 'vitest';
import {
  collectSettings,
  type ConfigSources,
  envOf,
  flagOf,
  scanCommandLine,
} from '../../../src/base/config-sources.js';
import type { SettingTable } from '../../../src/base/setting.js';

const shared = { section: 'Test', description: 'a setting' };
const table: SettingTable = {
  port: { ...shared, kind: 'integer', unit: 'none', default: 1, least: 0, most: 65_535 },
  dataDir: { ...shared, kind: 'text', default: './data' },
  docsPage: { ...shared, kind: 'switch', default: true },
  config: { ...shared, kind: 'optional-text', default: null, defaultText: 'none' },
};

const nothing: ConfigSources = { args: [], env: {}, file: null };
const collect = (sources: Partial<ConfigSources>): ReturnType<typeof collectSettings> =>
  collectSettings(table, { ...nothing, ...sources });
const problemsOf = (sources: Partial<ConfigSources>): string[] =>
  collect(sources).problems.map(({ origin, problem }) => `${origin}: ${problem}`);

describe('names', () => {
  it('are written three ways', () => {
    expect(flagOf('memtableBudgetBytes')).toBe('--memtable-budget-bytes');
    expect(envOf('memtableBudgetBytes')).toBe('MILLRACE_MEMTABLE_BUDGET_BYTES');
    expect(flagOf('port')).toBe('--port');
  });
});

describe('flags', () => {
  it.each([
    [['--port', '80'], 'port', '80'],
    [['--port=80'], 'port', '80'],
    [['--port', '-1'], 'port', '-1'],
    [['--data-dir=/a=b'], 'dataDir', '/a=b'],
    [['--docs-page'], 'docsPage', 'true'],
    [['--docs-page=false'], 'docsPage', 'false'],
    [['--no-docs-page'], 'docsPage', 'false'],
  ])('%j sets one value', (args, key, value) => {
    const { written, problems } = collect({ args });
    expect(problems).toEqual([]);
    expect(written).toEqual([{ key, form: 'text', value, origin: args[0]?.split('=')[0] }]);
  });

  it('a switch takes no value from the next argument', () => {
    expect(problemsOf({ args: ['--docs-page', 'false'] })).toEqual(['false: unexpected argument']);
  });

  it.each([
    [['--prot', '80'], '--prot: unknown flag; did you mean --port?'],
    [['--prot=80'], '--prot: unknown flag; did you mean --port?'],
    [['--dataDir', 'x'], '--dataDir: unknown flag; did you mean --data-dir?'],
    [['--verbose'], '--verbose: unknown flag'],
    [['-p', '80'], '-p: unknown flag'],
    [['--port'], '--port: needs a value'],
    [['--port', '--docs-page'], '--port: needs a value'],
    [['--port', '1', '--port', '2'], '--port: given more than once'],
    [['--no-port'], '--no-port: unknown flag; did you mean --port?'],
    [['job.js'], 'job.js: unexpected argument; did you mean --job job.js?'],
    [['run'], 'run: unexpected argument'],
    [['--'], '--: unknown flag'],
    [['--__proto__', 'x'], '--__proto__: unknown flag'],
  ])('%j is refused once, with the likely meaning', (args, problem) => {
    expect(problemsOf({ args })).toEqual([problem]);
  });

  it('--help, --version and --config are found whatever else is wrong', () => {
    const args = ['--prot', '80', '-h', '--config', 'a.json', '--version'];
    expect(scanCommandLine(table, { args, env: {} })).toEqual({ help: true, version: true, configPath: 'a.json' });
    expect(scanCommandLine(table, { args: [], env: { MILLRACE_CONFIG: 'b.json' } })).toEqual({
      help: false,
      version: false,
      configPath: 'b.json',
    });
    expect(scanCommandLine(table, { args: ['--config', 'a'], env: { MILLRACE_CONFIG: 'b' } }).configPath).toBe('a');
    expect(scanCommandLine(table, { args: [], env: {} }).configPath).toBeNull();
  });
});

describe('the environment', () => {
  it('is read where a name begins with MILLRACE_, and left alone elsewhere', () => {
    const { written, problems } = collect({ env: { MILLRACE_DATA_DIR: '/data', PORT: '80', PATH: '/bin' } });
    expect(problems).toEqual([]);
    expect(written).toEqual([{ key: 'dataDir', form: 'text', value: '/data', origin: 'MILLRACE_DATA_DIR' }]);
  });

  it('an empty variable counts as not set', () => {
    expect(collect({ env: { MILLRACE_PORT: '', MILLRACE_DATA_DIR: undefined } })).toEqual({
      written: [],
      problems: [],
    });
  });

  it('an unknown name is refused with the likely meaning', () => {
    expect(problemsOf({ env: { MILLRACE_PROT: '80' } })).toEqual([
      'MILLRACE_PROT: unknown environment variable; did you mean MILLRACE_PORT?',
    ]);
  });

  it('what a container platform sets for a service of our name is not ours', () => {
    const env = {
      MILLRACE_SERVICE_HOST: '10.0.0.1',
      MILLRACE_SERVICE_PORT: '80',
      MILLRACE_SERVICE_PORT_HTTP: '80',
      MILLRACE_PORT: 'tcp://10.0.0.1:80',
      MILLRACE_PORT_80_TCP: 'tcp://10.0.0.1:80',
      MILLRACE_PORT_80_TCP_ADDR: '10.0.0.1',
    };
    expect(collect({ env })).toEqual({ written: [], problems: [] });
  });
});

describe('the config file', () => {
  const file = (text: string): { file: ConfigSources['file'] } => ({ file: { path: 'm.json', text } });

  it('holds values under their keys', () => {
    const { written, problems } = collect(file('{ "port": 80, "docsPage": false }'));
    expect(problems).toEqual([]);
    expect(written).toEqual([
      { key: 'port', form: 'json', value: 80, origin: '"port" in m.json' },
      { key: 'docsPage', form: 'json', value: false, origin: '"docsPage" in m.json' },
    ]);
  });

  it.each([
    ['{ "prot": 80 }', '"prot" in m.json: unknown key; did you mean port?'],
    ['{ "data-dir": "x" }', '"data-dir" in m.json: unknown key; did you mean dataDir?'],
    ['{ "__proto__": { "port": 1 } }', '"__proto__" in m.json: unknown key'],
    ['{ "constructor": 1 }', '"constructor" in m.json: unknown key'],
    ['{ "config": "other.json" }', '"config" in m.json: a config file cannot name another'],
    ['[1]', 'm.json: expected a JSON object of settings'],
    ['null', 'm.json: expected a JSON object of settings'],
  ])('%s is refused', (text, problem) => {
    expect(problemsOf(file(text))).toEqual([problem]);
  });

  it('that is not JSON is refused with the place', () => {
    expect(problemsOf(file('{ "port": 80, }'))[0]).toMatch(/^m\.json: not JSON: .*position 14/);
  });
});

describe('several sources', () => {
  it('come in the order in which they override each other', () => {
    const { written } = collect({
      args: ['--port', '3'],
      env: { MILLRACE_PORT: '2' },
      file: { path: 'm.json', text: '{"port":1}' },
    });
    expect(written.map(({ value }) => value)).toEqual([1, '2', '3']);
  });
});
