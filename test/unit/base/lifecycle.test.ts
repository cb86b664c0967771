import { describe, expect, it } from 'vitest';
import { MillraceError } from '../../../src/base/errors.js';
import { Lifecycle, type TransitionTable } from '../../../src/base/lifecycle.js';

type State = 'CREATED' | 'RUNNING' | 'CLOSED';
const table: TransitionTable<State> = { CREATED: ['RUNNING', 'CLOSED'], RUNNING: ['CLOSED'], CLOSED: [] };

const newLife = (): Lifecycle<State> => new Lifecycle('a part', table, 'CREATED');

describe('Lifecycle', () => {
  it('takes the steps that its table allows', () => {
    const life = newLife();
    life.moveTo('RUNNING');
    expect(life.state).toBe('RUNNING');
    expect(life.isFinal).toBe(false);
    life.moveTo('CLOSED');
    expect(life.isFinal).toBe(true);
  });

  it.each([
    ['CREATED', 'CREATED'],
    ['RUNNING', 'CREATED'],
    ['CLOSED', 'RUNNING'],
    ['CLOSED', 'CLOSED'],
  ] as const)('refuses to go from %s to %s, names both, and stays where it is', (from, to) => {
    const life = new Lifecycle('a part', table, from);
    try {
      life.moveTo(to);
      expect.unreachable('the step was allowed');
    } catch (error) {
      expect(MillraceError.is(error, 'MILLRACE_INVARIANT_VIOLATED')).toBe(true);
      expect((error as MillraceError).details).toEqual({ owner: 'a part', from, to });
    }
    expect(life.state).toBe(from);
  });

  it('lets the second of two closers find that nothing is left to do', () => {
    const life = newLife();
    expect(life.tryMoveTo('CLOSED')).toBe(true);
    expect(life.tryMoveTo('CLOSED')).toBe(false);
    expect(life.state).toBe('CLOSED');
  });
});
