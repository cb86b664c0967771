import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Config, parseConfig, settings } from '../../../src/base/config.js';
import { envOf, flagOf } from '../../../src/base/config-sources.js';
import { MillraceError } from '../../../src/base/errors.js';
import { editDistance } from '../../../src/base/nearest-name.js';
import { defaultValue, type Setting, type SettingTable } from '../../../src/base/setting.js';

const table: SettingTable = settings;
const machine = { availableCores: 4 };

/** Settings that are checked against another one are left at their defaults. */
const independent = Object.entries(table).filter(
  ([key]) =>
    !/^(config|transport|brokers|parallelism|shardCount|bodyLimit|pendingMaxB|receiv|headersT|requestT|tls|autoscale)/.test(
      key,
    ),
);

function anyValue(setting: Setting): fc.Arbitrary<unknown> {
  switch (setting.kind) {
    case 'integer':
      return setting.powerOfTwo === true
        ? fc.integer({ min: Math.log2(setting.least), max: Math.log2(setting.most) }).map((exponent) => 2 ** exponent)
        : fc.integer({ min: setting.least, max: setting.most });
    case 'fraction':
      return fc.double({ min: 0, max: 1, noNaN: true }).filter((value) => !Object.is(value, -0));
    case 'text':
    case 'optional-text':
      if (setting.placeholder === 'url') return fc.webUrl();
      return fc.stringMatching(/^[a-z/.][a-z/. =]{0,20}$/);
    case 'choice':
      return fc.constantFrom(...setting.choices);
    case 'switch':
      return fc.boolean();
    case 'list':
      return fc.array(fc.stringMatching(/^[a-z]{1,9}$/), { minLength: 1 });
  }
}

/** For each of some settings, a valid value and the source that it is written in. */
const anyWritten = fc
  .subarray(independent)
  .chain((entries) =>
    fc.tuple(
      ...entries.map(([key, setting]) =>
        fc.record({ key: fc.constant(key), value: anyValue(setting), source: fc.constantFrom('flag', 'env', 'file') }),
      ),
    ),
  );

describe('parseConfig', () => {
  it('gives back each valid value whatever source it came from, and the default of everything else', () => {
    fc.assert(
      fc.property(anyWritten, (written) => {
        const config: Config = parseConfig(
          {
            args: written
              .filter(({ source }) => source === 'flag')
              .map(({ key, value }) => `${flagOf(key)}=${String(value)}`),
            env: Object.fromEntries(
              written.filter(({ source }) => source === 'env').map(({ key, value }) => [envOf(key), String(value)]),
            ),
            file: {
              path: 'm.json',
              text: JSON.stringify(
                Object.fromEntries(
                  written.filter(({ source }) => source === 'file').map(({ key, value }) => [key, value]),
                ),
              ),
            },
          },
          machine,
        );
        const expected = Object.fromEntries([
          ...Object.entries(table).map(([key, setting]) => [key, defaultValue(setting, machine)]),
          ...written.map(({ key, value }) => [key, value]),
        ]) as unknown;
        expect(config).toEqual(expected);
      }),
    );
  });

  it('answers anything at all with a configuration or with MILLRACE_CONFIG_INVALID', () => {
    const anyText = fc.oneof(fc.string(), fc.json(), fc.constantFrom(...Object.keys(table).map(flagOf), '--help', '='));
    fc.assert(
      fc.property(
        fc.array(anyText),
        fc.dictionary(
          fc.string().map((s) => `MILLRACE_${s}`),
          fc.string(),
        ),
        anyText,
        (args, env, text) => {
          try {
            parseConfig({ args, env, file: { path: 'm.json', text } }, machine);
          } catch (error) {
            expect(MillraceError.is(error, 'MILLRACE_CONFIG_INVALID')).toBe(true);
          }
        },
      ),
    );
  });
});

describe('editDistance', () => {
  it('is zero only between equal texts, symmetric, and at most the longer length', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 12 }), fc.string({ maxLength: 12 }), (a, b) => {
        const distance = editDistance(a, b);
        expect(distance === 0).toBe(a === b);
        expect(distance).toBe(editDistance(b, a));
        expect(distance).toBeLessThanOrEqual(Math.max(a.length, b.length));
      }),
    );
  });
});
