import { describe, expect, it } from 'vitest';
import {
  CountTrigger,
  defineJob,
  EventTimeSessionWindows,
  functionSink,
  KeyedProcessFunction,
  mapState,
  ProcessFunction,
  SlidingEventTimeWindows,
  topic,
  TumblingEventTimeWindows,
  valueState,
  jsonSerde,
} from '../../../src/index.js';
import type { KeyedProcessContext, ProcessContext, RuntimeContext, StreamEnvironment } from '../../../src/index.js';
import { JobDriver } from '../../../src/testing/index.js';
import { graphOf } from '../../helpers/build-job.js';
import { refusalOf } from '../../helpers/refusal-of.js';

interface Click {
  readonly user: string;
  readonly gap: number;
}

const clicksOf = (env: StreamEnvironment): ReturnType<typeof source> => source(env);
function source(env: StreamEnvironment) {
  return env.fromSource(topic<Click>('clicks', jsonSerde<Click>())).uid('clicks');
}
const sum = (a: Click): Click => a;

/** Runs one record through a job whose window or function is the operator "judge". */
function driverOf(
  define: (env: StreamEnvironment) => { sinkTo(sink: ReturnType<typeof functionSink>): unknown },
): JobDriver {
  return new JobDriver(
    defineJob('refusals', (env) => {
      define(env).sinkTo(functionSink(() => undefined));
    }),
  );
}

describe('what a job refuses while it is built, by the name of the operator', () => {
  it('windows without a size, a slide or a gap', () => {
    const windowed = (assigner: () => Parameters<ReturnType<typeof keyed>['window']>[0]): string =>
      refusalOf(() => graphOf((env) => void keyed(env).window(assigner()).reduce(sum)));
    const behind = ', behind topic-source "clicks" of job "test"';
    expect(windowed(() => TumblingEventTimeWindows.of(0))).toBe(
      `the size of a tumbling window is 0 ms, but must be above 0 ms${behind}`,
    );
    expect(windowed(() => TumblingEventTimeWindows.of(-5))).toContain('is -5 ms');
    expect(windowed(() => SlidingEventTimeWindows.of(10, 0))).toContain(`the slide of a sliding window is 0 ms`);
    expect(windowed(() => EventTimeSessionWindows.withGap(0))).toContain(behind);
    const trigger = (): void => void keyed(env0).window(TumblingEventTimeWindows.of(1)).trigger(CountTrigger.of(0));
    let env0: StreamEnvironment;
    expect(
      refusalOf(() =>
        graphOf((env) => {
          env0 = env;
          trigger();
        }),
      ),
    ).toContain(behind);
  });

  it('a join without bounds, with bounds that are none, and without windows', () => {
    const join = (define: (env: StreamEnvironment) => unknown): string =>
      refusalOf(() => graphOf((env) => void define(env)));
    expect(
      join((env) =>
        keyed(env)
          .intervalJoin(other(env))
          .process(undefined as never),
      ),
    ).toContain('topic-source "clicks" of job "test" is joined without bounds');
    expect(join((env) => keyed(env).intervalJoin(other(env)).between(5, -5))).toContain(
      'is joined between 5 and -5 ms',
    );
    expect(join((env) => keyed(env).intervalJoin(other(env)).between(Number.NaN, 1))).toContain('between NaN and 1 ms');
    const byKey = (env: StreamEnvironment): { apply(join: never): never } =>
      clicksOf(env).join(other(env)).where(userOf).equalTo(userOf);
    expect(join((env) => byKey(env).apply(undefined as never))).toContain('is joined without windows');
  });
});

const userOf = ({ user }: Click): string => user;
function keyed(env: StreamEnvironment) {
  return clicksOf(env).keyBy(userOf);
}
function other(env: StreamEnvironment) {
  return env.fromSource(topic<Click>('others', jsonSerde<Click>())).uid('others').keyBy(userOf);
}

describe('what a job refuses at the record, by the name of the operator', () => {
  it('a timer without a key', () => {
    class Alarm extends ProcessFunction<Click, Click> {
      processElement(_click: Click, context: ProcessContext): void {
        context.timerService().registerEventTimeTimer(5);
      }
    }
    const driver = driverOf((env) => clicksOf(env).process(new Alarm()).uid('judge'));
    const refusal = refusalOf(() => driver.send('clicks', { user: 'a', gap: 1 }), 'MILLRACE_STATE_NO_KEY');
    expect(refusal).toContain('operator "judge" uses a key or a timer without a keyed stream');
  });

  it.each([1, 2])('a record without a key, at parallelism %d', (parallelism) => {
    const job = defineJob('refusals', (env) => {
      const keys = clicksOf(env).keyBy((click) => click.user);
      keys
        .reduce(sum)
        .uid('judge')
        .name('Judge')
        .sinkTo(functionSink(() => undefined));
    });
    for (const user of [undefined, null]) {
      const driver = new JobDriver(job, { parallelism });
      const click = { user, gap: 1 };
      const refusal = refusalOf(() => driver.send('clicks', click), 'MILLRACE_STATE_NO_KEY');
      // Where records are dealt out, it is the way to the operator that asks for the key.
      const where = parallelism === 1 ? ', in operator "Judge"' : '';
      expect(refusal).toBe(`the key of a record is ${String(user)}${where}`);
    }
  });

  it('a record without a timestamp in windows of event time', () => {
    const driver = driverOf((env) =>
      keyed(env).window(TumblingEventTimeWindows.of(10)).reduce(sum).uid('judge').name('Judge'),
    );
    const refusal = refusalOf(() => driver.send('clicks', { user: 'a', gap: 1 }), 'MILLRACE_TIMESTAMP_MISSING');
    expect(refusal).toContain('in operator "Judge"');
  });

  it('a session gap that is not above 0, where the windows are', () => {
    const windows = EventTimeSessionWindows.withDynamicGap<Click>(({ gap }) => gap);
    const driver = driverOf((env) => keyed(env).window(windows).reduce(sum).uid('judge').name('Judge'));
    const click = { user: 'a', gap: 0 };
    const refusal = refusalOf(() => driver.send('clicks', click, { timestamp: 1 }), 'MILLRACE_USER_FUNCTION_FAILED');
    expect(refusal).toBe('a session gap is 0 ms, but must be above 0, in operator "Judge"');
  });

  it('a state that is declared twice, as two kinds, when the operator opens', () => {
    class Twice extends KeyedProcessFunction<string, Click, Click> {
      override open(context: RuntimeContext): void {
        context.getState(valueState<number>('seen'));
        context.getMapState(mapState<string, number>('seen'));
      }

      processElement(_click: Click, _context: KeyedProcessContext<string>): void {
        // Never reached.
      }
    }
    const refusal = refusalOf(
      () => driverOf((env) => keyed(env).process(new Twice()).uid('judge')),
      'MILLRACE_STATE_CONFLICT',
    );
    expect(refusal).toContain('judge');
    expect(refusal).toContain('seen');
  });
});
