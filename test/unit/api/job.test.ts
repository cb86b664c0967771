import { setImmediate } from 'node:timers/promises';
import { describe, expect, it, vi } from 'vitest';
import type { DataStream } from '../../../src/api/data-stream.js';
import type { StreamEnvironment } from '../../../src/api/environment.js';
import { defineJob, isJobDefinition } from '../../../src/api/job.js';
import { refusalOf } from '../../helpers/refusal-of.js';

describe('defineJob', () => {
  it('runs nothing before build, and gives a graph of its own at each build', () => {
    const define = vi.fn((env: StreamEnvironment) => {
      env
        .fromCollection([1])
        .map(() => ({}))
        .print();
    });
    const job = defineJob('twice', define);
    expect(define).not.toHaveBeenCalled();
    const first = job.build();
    const second = job.build();
    expect(define).toHaveBeenCalledTimes(2);
    expect(first.transformations).not.toBe(second.transformations);
    expect(first.transformations.map(({ kind }) => kind)).toEqual(second.transformations.map(({ kind }) => kind));
  });

  it('makes functions anew at each build when the author makes them inside', () => {
    const job = defineJob('instances', (env) => {
      env.fromCollection([1]).map({ map: (value: number) => value });
    });
    const [first, second] = [job.build(), job.build()].map(({ transformations }) => transformations[1]);
    expect(first).toMatchObject({ kind: 'operator', spec: { kind: 'map' } });
    expect(first?.kind === 'operator' && first.spec.kind === 'map' && first.spec.fn).not.toBe(
      second?.kind === 'operator' && second.spec.kind === 'map' && second.spec.fn,
    );
  });

  it('drops a failing request and stops at any other failing record, unless the author says otherwise', () => {
    const define = (env: StreamEnvironment): void => void env.fromCollection([1]).print();
    expect(defineJob('a', define).build().onError).toBe('reject');
    expect(defineJob('a', define, { onError: 'skip' }).build().onError).toBe('skip');
    expect(defineJob('a', define, { onError: 'dead-letter' }).build().onError).toBe('dead-letter');
  });

  it.each(['', 'a job', 'a.job', 'a/job', 'x'.repeat(65), 5])('refuses the name %j', (name) => {
    expect(refusalOf(() => defineJob(name as string, () => undefined))).toContain(`the name ${JSON.stringify(name)}`);
  });

  it('refuses what is no function, and an unknown onError', () => {
    expect(refusalOf(() => defineJob('a', undefined as never))).toBe('job "a" has no function that builds it');
    expect(refusalOf(() => defineJob('a', () => undefined, { onError: 'ignore' as never }))).toBe(
      'job "a" has onError "ignore"',
    );
  });

  it('refuses a job without a source', () => {
    expect(refusalOf(() => defineJob('empty', () => undefined).build())).toBe('job "empty" has no source');
  });

  it('says which job it is whose function threw, and keeps the cause', () => {
    const cause = new Error('mine');
    const job = defineJob('broken', () => {
      throw cause;
    });
    expect(() => job.build()).toThrow(
      expect.objectContaining({
        code: 'MILLRACE_JOB_INVALID',
        message: 'the function that builds job "broken" threw',
        cause,
      }),
    );
  });

  it('refuses an asynchronous function, whose late rejection then harms nobody', async () => {
    const unhandled = vi.fn();
    process.on('unhandledRejection', unhandled);
    // oxlint-disable-next-line typescript/no-misused-promises -- the mistake under test
    const job = defineJob('late', async () => {
      await Promise.resolve();
      throw new Error('later');
    });
    expect(refusalOf(() => job.build())).toBe('the function that builds job "late" is asynchronous');
    // Rejections count as unhandled once the microtasks are done.
    await setImmediate();
    process.off('unhandledRejection', unhandled);
    expect(unhandled).not.toHaveBeenCalled();
  });

  it('refuses changes after it was built', () => {
    let leaked: StreamEnvironment | undefined;
    let stream: DataStream<number> | undefined;
    defineJob('leaky', (env) => {
      leaked = env;
      stream = env.fromCollection([1]);
    }).build();
    const expected = 'job "leaky" is changed after it was built';
    expect(refusalOf(() => leaked?.fromCollection([2]))).toBe(expected);
    expect(refusalOf(() => stream?.map((value) => value))).toBe(expected);
  });
});

describe('isJobDefinition', () => {
  it('knows a job by its shape, whichever copy of the package made it', () => {
    expect(isJobDefinition(defineJob('a', () => undefined))).toBe(true);
    expect(isJobDefinition({ name: 'b', build: () => undefined })).toBe(true);
    for (const other of [undefined, null, 'job', {}, { name: 'c' }, { build: () => undefined }, () => undefined]) {
      expect(isJobDefinition(other)).toBe(false);
    }
  });
});
