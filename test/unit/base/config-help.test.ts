import { describe, expect, it } from 'vitest';
import { parseConfig, settings } from '../../../src/base/config.js';
import { configErrorText, helpText } from '../../../src/base/config-help.js';
import { envOf, flagOf } from '../../../src/base/config-sources.js';
import { ConfigError } from '../../../src/base/errors.js';

describe('helpText', () => {
  const text = helpText();

  it.each(Object.keys(settings))('names %s as a flag and as an environment variable', (key) => {
    expect(text).toContain(`\n  ${flagOf(key)}`);
    expect(text).toMatch(new RegExp(`\\b${envOf(key)}\\.`));
  });

  it('gives bounds and default with their units', () => {
    expect(text).toContain('A whole number from 50 ms to 1 d. Default: 1 s. MILLRACE_CHECKPOINT_INTERVAL_MS.');
    expect(text).toContain('--state-backend <lmdb|heap>');
  });

  it('fits a terminal of 100 columns', () => {
    expect(text.split('\n').filter((line) => line.length > 100)).toEqual([]);
  });
});

describe('configErrorText', () => {
  it('gives each problem a line of its own', () => {
    try {
      parseConfig({ args: ['--prot', '80', '--port', 'a'], env: {}, file: null }, { availableCores: 2 });
      expect.unreachable('the configuration was accepted');
    } catch (error) {
      expect(configErrorText(error as ConfigError).split('\n')).toEqual([
        'configuration is invalid',
        '  --prot: unknown flag; did you mean --port?',
        '  --port: expected a whole number from 0 to 65535, got "a"',
        'Run with --help to see every setting.',
        '',
      ]);
    }
  });

  it('gives message, cause and hint of an error that lists nothing', () => {
    const cause = new Error('ENOENT: no such file');
    const error = new ConfigError('config file "x" cannot be read', { hint: 'Check the path.', cause });
    expect(configErrorText(error)).toBe('config file "x" cannot be read\n  ENOENT: no such file\nCheck the path.\n');
    expect(configErrorText(new ConfigError('no'))).toBe('no\n');
  });
});
