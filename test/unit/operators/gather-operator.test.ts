import { describe, expect, it } from 'vitest';
import type { GatherSpec } from '../../../src/api/internal/event-time-specs.js';
import type { ScatterPart } from '../../../src/api/internal/scatter-part.js';
import { GatherOperator } from '../../../src/operators/gather-operator.js';
import { OperatorHarness, type HarnessSnapshot } from '../../../src/testing/index.js';
import { errorOf } from '../../helpers/error-of.js';

const key = (part: unknown): unknown => (part as ScatterPart).correlationId;
const combine = (request: unknown, partials: unknown): unknown => ({ request, partials });
const allOf = { kind: 'gather', key, branches: ['a', 'b', 'c'], quorum: 3, timeoutMs: null, combine } as const;
const DEADLINE = 1_000;

/** Parts arrive by name: `'x'` is the request itself, `'x:a'` what branch `a` found for it. */
function gathering(spec: Partial<GatherSpec> = {}, parallelism = 1) {
  const operator = (): GatherOperator => new GatherOperator({ ...allOf, onTimeout: null, ...spec });
  const harness = new OperatorHarness<unknown>(operator, { inputs: [{ key }], parallelism });
  harness.open();
  const arrive = (...names: readonly string[]): void => {
    for (const name of names) {
      const [id = '', branch] = name.split(':');
      const part = { branch: branch ?? null, correlationId: id, value: branch === undefined ? id : name };
      const request = { correlationId: id, replyTo: 'replies:0', deadline: DEADLINE };
      harness.processElement(part, branch === undefined ? 7 : 8, { request });
    }
  };
  return { harness, arrive };
}

const found = (id: string, ...branches: readonly string[]): unknown => ({
  request: id,
  partials: Object.fromEntries(branches.map((branch) => [branch, `${id}:${branch}`])),
});

const rowCount = ({ keyedState }: HarnessSnapshot): number =>
  keyedState.flatMap(({ sections }) => sections).reduce((sum, { rows }) => sum + rows, 0);

describe('GatherOperator', () => {
  it('answers once when all branches have come, in any order, with the timestamp of the request', () => {
    const orders = [
      ['x', 'x:a', 'x:b', 'x:c'],
      ['x:c', 'x:b', 'x', 'x:a'],
      ['x:b', 'x:a', 'x:c', 'x'],
    ];
    for (const order of orders) {
      const { harness, arrive } = gathering();
      arrive(...order);
      expect(harness.takeOutput()).toEqual([
        { kind: 'record', subtask: 0, value: found('x', 'a', 'b', 'c'), timestamp: 7 },
      ]);
    }
  });

  it('hands the branches over in their own order, so that the answer is the same to the byte', () => {
    const { harness, arrive } = gathering();
    arrive('x:c', 'x', 'x:b', 'x:a');
    expect(JSON.stringify(harness.takeValues()[0])).toBe(JSON.stringify(found('x', 'a', 'b', 'c')));
  });

  it('keeps requests apart', () => {
    const { harness, arrive } = gathering();
    arrive('x', 'y', 'x:a', 'y:b', 'y:a', 'x:b', 'y:c');
    expect(harness.takeValues()).toEqual([found('y', 'a', 'b', 'c')]);
    arrive('x:c');
    expect(harness.takeValues()).toEqual([found('x', 'a', 'b', 'c')]);
  });

  it('answers with the first branches that make a quorum, and drops and counts the rest', () => {
    const { harness, arrive } = gathering({ quorum: 2 });
    arrive('x', 'x:c', 'x:a', 'x:b');
    expect(harness.takeValues()).toEqual([found('x', 'a', 'c')]);
    expect(harness.counters().numLateRecordsDropped).toBe(1);
    // Nothing is left of the request: neither a row nor a timer.
    expect(rowCount(harness.snapshot())).toBe(0);
  });

  it('waits for the request itself, though the quorum is there', () => {
    const { harness, arrive } = gathering({ quorum: 1 });
    arrive('x:a', 'x:b');
    expect(harness.takeValues()).toEqual([]);
    arrive('x');
    expect(harness.takeValues()).toEqual([found('x', 'a', 'b')]);
  });

  it('takes the first result of a branch, and counts further ones', () => {
    const { harness, arrive } = gathering({ combine: (_request, partials) => partials });
    arrive('x', 'x:a', 'x:a', 'x:b', 'x:b', 'x:c');
    expect(harness.takeValues()).toEqual([{ a: 'x:a', b: 'x:b', c: 'x:c' }]);
    expect(harness.counters().numLateRecordsDropped).toBe(2);
  });

  it('never answers again, whatever comes after all is over', () => {
    const { harness, arrive } = gathering();
    arrive('x', 'x:a', 'x:b', 'x:c', 'x:a', 'x:b', 'x:c');
    expect(harness.takeValues()).toHaveLength(1);
    harness.setProcessingTime(2 * DEADLINE);
    expect(harness.takeValues()).toEqual([]);
    expect(harness.counters().numLateRecordsDropped).toBe(3);
  });

  it('answers with what there is when the time is up, and drops what comes then', () => {
    const onTimeout = (request: unknown, partials: unknown): unknown => ({ late: request, partials });
    const { harness, arrive } = gathering({ timeoutMs: 50, onTimeout });
    arrive('x', 'x:b', 'y');
    harness.setProcessingTime(49);
    expect(harness.takeValues()).toEqual([]);
    harness.setProcessingTime(50);
    expect(harness.takeOutput()).toEqual([
      { kind: 'record', subtask: 0, value: { late: 'x', partials: { b: 'x:b' } }, timestamp: 7 },
      { kind: 'record', subtask: 0, value: { late: 'y', partials: {} }, timestamp: 7 },
    ]);
    arrive('x:a', 'x:c');
    harness.setProcessingTime(DEADLINE);
    expect(harness.takeValues()).toEqual([]);
    expect(harness.counters().numLateRecordsDropped).toBe(2);
  });

  it('waits no longer than the request’s own deadline, and forgets a request that it cannot answer', () => {
    const { harness, arrive } = gathering({ timeoutMs: 5 * DEADLINE, onTimeout: () => 'late' });
    arrive('x');
    harness.setProcessingTime(DEADLINE);
    expect(harness.takeValues()).toEqual(['late']);

    const silent = gathering();
    silent.arrive('x', 'x:a');
    silent.harness.setProcessingTime(DEADLINE);
    expect(silent.harness.takeValues()).toEqual([]);
    expect(rowCount(silent.harness.snapshot())).toBe(0);
    // Parts that come later begin anew and find no partner.
    silent.arrive('x:b', 'x:c');
    expect(silent.harness.takeValues()).toEqual([]);
  });

  it('gives a request its time anew when the input is behind the clock', () => {
    const { harness, arrive } = gathering({ timeoutMs: 50, onTimeout: () => 'late' });
    harness.setProcessingTime(10 * DEADLINE);
    arrive('x', 'x:a', 'x:b');
    expect(harness.takeValues()).toEqual([]);
    arrive('x:c');
    expect(harness.takeValues()).toEqual([found('x', 'a', 'b', 'c')]);
  });

  it.each([1, 3])('goes on after a restore at parallelism %d: parts, answers and timers are kept', (parallelism) => {
    const { harness, arrive } = gathering({ quorum: 2, timeoutMs: 50, onTimeout: () => 'late' }, 2);
    arrive('x', 'x:a', 'y', 'y:a', 'y:b', 'z', 'z:c');
    expect(harness.takeValues()).toEqual([found('y', 'a', 'b')]);
    harness.restore(harness.snapshot(), { parallelism });
    arrive('y:c', 'x:b');
    expect(harness.takeValues()).toEqual([found('x', 'a', 'b')]);
    harness.setProcessingTime(50);
    expect(harness.takeValues()).toEqual(['late']);
  });

  it('names the operator and the method when the author’s function throws', () => {
    const { arrive } = gathering({
      combine: () => {
        throw new Error('no score');
      },
    });
    const error = errorOf(() => arrive('x', 'x:a', 'x:b', 'x:c'));
    expect(error).toMatchObject({
      code: 'MILLRACE_USER_FUNCTION_FAILED',
      message: 'combine of operator "operator" failed: no score',
      details: { key: 'x' },
    });
  });
});
