import { describe, expect, it } from 'vitest';
import {
  ConfigError,
  ConnectorError,
  errorCodes,
  fromWire,
  MillraceError,
  toWire,
  UserFunctionError,
} from '../../../src/base/errors.js';

describe('MillraceError', () => {
  it('carries its code, and what follows from it', () => {
    const error = new MillraceError('MILLRACE_BACKPRESSURE', 'ring of channel 3 is full', {
      details: { channel: 3 },
      hint: 'Wait.',
    });
    expect(error).toMatchObject({
      name: 'MillraceError',
      message: 'ring of channel 3 is full',
      recovery: 'retry',
      httpStatus: 503,
      details: { channel: 3 },
      hint: 'Wait.',
    });
  });

  it('is recognised by brand and code, not by its class', () => {
    const error: unknown = new ConfigError('no');
    expect(MillraceError.is(error)).toBe(true);
    expect(MillraceError.is(error, 'MILLRACE_CONFIG_INVALID')).toBe(true);
    expect(MillraceError.is(error, 'MILLRACE_INTERNAL')).toBe(false);
    const lookalike = Object.assign(new Error('no'), { code: 'MILLRACE_CONFIG_INVALID' });
    for (const other of [lookalike, new Error('no'), null, undefined, 'MILLRACE_CONFIG_INVALID']) {
      expect(MillraceError.is(other)).toBe(false);
    }
  });

  it('has an HTTP status of an error for every code', () => {
    expect(Object.values(errorCodes).filter(({ http }) => http < 400 || http > 599)).toEqual([]);
  });
});

describe('an error that crosses a thread', () => {
  const cross = (error: unknown): Error => fromWire(structuredClone(toWire(error)));

  it.each([
    new MillraceError('MILLRACE_STATE_CORRUPT', 'a', { details: { file: 'x' }, hint: 'Restore.' }),
    new ConfigError('b'),
    new UserFunctionError('c', { details: { operator: 'count' } }),
    new ConnectorError('MILLRACE_STORAGE_FULL', 'd'),
  ])('keeps class, code, details, hint and stack: $name', (error) => {
    const arrived = cross(error);
    expect(arrived.constructor).toBe(error.constructor);
    expect(arrived).toMatchObject({ name: error.name, message: error.message, stack: error.stack });
    expect(arrived).toMatchObject({ code: error.code, details: error.details, hint: error.hint });
    expect(MillraceError.is(arrived, error.code)).toBe(true);
  });

  it('keeps its causes, whoever threw them', () => {
    const root = new TypeError('x is not a function');
    const arrived = cross(new UserFunctionError('map failed', { cause: root }));
    expect(arrived.cause).toMatchObject({ name: 'TypeError', message: 'x is not a function', stack: root.stack });
    expect(MillraceError.is(arrived.cause)).toBe(false);
  });

  it('is an error also when what was thrown is none', () => {
    expect(cross('just a text')).toMatchObject({ name: 'Error', message: 'just a text' });
    expect(cross(undefined)).toMatchObject({ message: 'undefined' });
  });

  it('may have a chain of causes without end', () => {
    const error = new Error('circle');
    error.cause = error;
    let depth = 0;
    for (let next: unknown = cross(error); next instanceof Error; next = next.cause) depth++;
    expect(depth).toBeGreaterThan(1);
    expect(depth).toBeLessThan(20);
  });
});
