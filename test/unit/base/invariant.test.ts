import { describe, expect, it } from 'vitest';
import { MillraceError } from '../../../src/base/errors.js';
import { invariant, unreachable } from '../../../src/base/invariant.js';

const thrownBy = (act: () => void): unknown => {
  try {
    act();
  } catch (error) {
    return error;
  }
  return undefined;
};

describe('invariant', () => {
  it('says nothing as long as the condition holds', () => {
    expect(() => invariant(true, 'one is below two')).not.toThrow();
  });

  it('throws a defect of Millrace when it does not', () => {
    const error = thrownBy(() => invariant(false, 'two is below one'));
    expect(MillraceError.is(error, 'MILLRACE_INVARIANT_VIOLATED')).toBe(true);
    expect(error).toMatchObject({ message: 'two is below one', recovery: 'crash' });
  });
});

describe('unreachable', () => {
  it('names what had a case that nobody knew', () => {
    const error = thrownBy(() => unreachable('novel' as never, 'a frame kind'));
    expect(error).toMatchObject({
      code: 'MILLRACE_INVARIANT_VIOLATED',
      message: 'a frame kind has an unknown case',
      details: { value: 'novel' },
    });
  });
});
