import { describe, expect, it } from 'vitest';
import {
  checkJson,
  checkText,
  defaultValue,
  describeAllowed,
  formatQuantity,
  type IntegerSetting,
  type ListSetting,
  type Setting,
} from '../../../src/base/setting.js';

const shared = { section: 'Test', description: 'a setting' };
const count: IntegerSetting = { ...shared, kind: 'integer', unit: 'none', default: 4, least: 1, most: 1024 };
const shards: IntegerSetting = { ...count, powerOfTwo: true };
const duration: IntegerSetting = { ...shared, kind: 'integer', unit: 'ms', default: 1000, least: 0, most: 86_400_000 };
const size: IntegerSetting = { ...shared, kind: 'integer', unit: 'bytes', default: 1, least: 1, most: 2 ** 40 };
const age: IntegerSetting = { ...duration, unlimited: true };
const text: Setting = { ...shared, kind: 'text', default: 'a' };
const choice: Setting = { ...shared, kind: 'choice', default: 'heap', choices: ['heap', 'lmdb'] };
const toggle: Setting = { ...shared, kind: 'switch', default: true };
const list: ListSetting = { ...shared, kind: 'list', default: [] };

describe('checkText', () => {
  it.each([
    [count, '1', 1],
    [count, '1024', 1024],
    [shards, '64', 64],
    [duration, '1500', 1500],
    [duration, '5s', 5000],
    [duration, '2m', 120_000],
    [duration, '24h', 86_400_000],
    [size, '64KiB', 65_536],
    [size, '1GiB', 2 ** 30],
    [age, 'unlimited', Infinity],
    [text, 'any words', 'any words'],
    [choice, 'lmdb', 'lmdb'],
    [toggle, 'false', false],
    [list, 'a, b,c', ['a', 'b', 'c']],
  ])('takes $1 as what it means', (setting, written, value) => {
    expect(checkText(setting, written)).toEqual({ ok: true, value });
  });

  it.each([
    [count, '0'],
    [count, '1025'],
    [count, '-1'],
    [count, '1.5'],
    [count, '1e2'],
    [count, '0x10'],
    [count, ' 7'],
    [count, ''],
    [count, 'NaN'],
    [count, '4s'],
    [count, '99999999999999999999'],
    [shards, '48'],
    [duration, '5 s'],
    [duration, '5KiB'],
    [duration, 'unlimited'],
    [size, '1kb'],
    [text, ''],
    [choice, 'HEAP'],
    [choice, ''],
    [toggle, 'yes'],
    [list, ''],
    [list, 'a,,b'],
  ])('refuses "$1" and says what is allowed', (setting, written) => {
    expect(checkText(setting, written)).toEqual({ ok: false, expected: describeAllowed(setting) });
  });
});

describe('checkJson', () => {
  it.each([
    [count, 8, 8],
    [duration, '5s', 5000],
    [size, 65_536, 65_536],
    [age, 'unlimited', Infinity],
    [text, 'words', 'words'],
    [choice, 'heap', 'heap'],
    [toggle, false, false],
    [list, ['a', 'b'], ['a', 'b']],
  ])('takes a value of the right type', (setting, written, value) => {
    expect(checkJson(setting, written)).toEqual({ ok: true, value });
  });

  it.each([
    [count, '8'],
    [count, 1.5],
    [count, null],
    [count, [8]],
    [duration, '5000'],
    [text, 5],
    [text, ''],
    [choice, ['heap']],
    [toggle, 'true'],
    [toggle, 0],
    [list, 'a,b'],
    [list, ['a', 1]],
    [list, { 0: 'a' }],
  ])('refuses a value of another type', (setting, written) => {
    expect(checkJson(setting, written)).toEqual({ ok: false, expected: describeAllowed(setting) });
  });
});

describe('a setting', () => {
  it('may have a default that depends on the machine', () => {
    const threads: IntegerSetting = { ...count, default: ({ availableCores }) => availableCores - 1 };
    expect(defaultValue(threads, { availableCores: 8 })).toBe(7);
    expect(defaultValue(count, { availableCores: 8 })).toBe(4);
  });

  it.each([
    [0, 'ms', '0'],
    [1500, 'ms', '1500 ms'],
    [90_000, 'ms', '90 s'],
    [86_400_000, 'ms', '1 d'],
    [1, 'bytes', '1 B'],
    [65_536, 'bytes', '64 KiB'],
    [2 ** 40, 'bytes', '1 TiB'],
    [7, 'none', '7'],
    [Infinity, 'bytes', 'unlimited'],
  ] as const)('writes %d %s as %s', (value, unit, expected) => {
    expect(formatQuantity(value, unit)).toBe(expected);
  });
});
