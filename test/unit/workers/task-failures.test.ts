import { describe, expect, it } from 'vitest';
import type { OnError } from '../../../src/api/internal/transformation.js';
import {
  AsyncFunction,
  type AsyncOutputMode,
  fixedDelayRetry,
  type ResultFuture,
} from '../../../src/api/async-function.js';
import { orderedWait, unorderedWait } from '../../../src/api/async-data-stream.js';
import type { StreamEnvironment } from '../../../src/api/environment.js';
import type { Collector } from '../../../src/api/functions.js';
import { KeyedProcessFunction, type KeyedProcessContext } from '../../../src/api/process-function.js';
import { jsonSerde } from '../../../src/api/standard-serdes.js';
import { topicSink } from '../../../src/api/sink.js';
import { WatermarkStrategy } from '../../../src/api/watermark-strategy.js';
import { TumblingEventTimeWindows } from '../../../src/api/window-assigners.js';
import type { Culprit } from '../../../src/protocol/culprit.js';
import { encodeTopicRecord } from '../../../src/protocol/topic-record-codec.js';
import { type EgressElement, TaskTopology } from '../../helpers/task-topology.js';

const text = (value: string): Buffer => Buffer.from(value);

/** Requests to the only route, whose bodies are numbers. */
function send(topology: TaskTopology, bodies: readonly number[]): void {
  const input = topology.ingress(0);
  for (const [offset, body] of bodies.entries()) {
    encodeTopicRecord(input.batch, {
      partition: 0,
      offset,
      timestamp: 1_000 + offset,
      key: text('key'),
      value: text(String(body)),
      headers: [
        ['millrace-correlation-id', text(`id-${String(offset)}`)],
        ['millrace-reply-to', text('replies:0')],
      ],
    });
    input.recordWritten();
  }
  input.flush();
}

/** Answers by correlation id. */
function answersIn(elements: readonly EgressElement[]): string[] {
  return elements
    .filter(({ kind, number }) => kind === 'record' && number === -1)
    .map(({ headers }) => `${headers['millrace-correlation-id'] ?? ''} ${headers['millrace-status'] ?? ''}`);
}

function lettersIn(topology: TaskTopology, elements: readonly EgressElement[]): EgressElement[] {
  return elements.filter(({ number }) => number === topology.plan.deadLetterSink);
}

const recordAt = (offset: number): Culprit => {
  const record = { sourceId: 'numbers', topic: 'topology.requests.numbers', partition: 0, offset };
  return { kind: 'record', record, isDeadly: false };
};

/** Even numbers fail: 2 as it is asked for, 4 with its outcome, 6 in the operator behind. */
class Odd extends AsyncFunction<number, number> {
  asyncInvoke(value: number, result: ResultFuture<number>): void {
    if (value === 2) throw new Error('2 is not even asked for');
    if (value === 4) result.completeExceptionally(new Error('4 has no outcome'));
    else result.complete([value]);
  }
}

const asynchronous = (mode: AsyncOutputMode) => (env: StreamEnvironment) => {
  const numbers = env
    .requests('POST /numbers')
    .uid('numbers')
    .map(({ body }) => body as number)
    .uid('bodies');
  (mode === 'ordered' ? orderedWait : unorderedWait)(numbers, new Odd(), { retry: fixedDelayRetry(1, 0) })
    .uid('odd')
    .map((value) => {
      if (value === 6) throw new Error('6 is not taken');
      return value;
    })
    .uid('takes')
    .respond();
};

describe.each(['ordered', 'unordered'] as const)('a record of an asynchronous operator, %s', (mode) => {
  const topologyOf = (onError: OnError, setAside: readonly Culprit[] = []): TaskTopology =>
    new TaskTopology(asynchronous(mode), { parallelism: 1, ringBytes: 8192, onError, setAside });
  const all = ['id-0 200', 'id-1 500', 'id-2 500', 'id-3 500', 'id-4 200'];

  it.each(['reject', 'skip', 'dead-letter'] as const)(
    'that fails before, in or behind its outcome is answered, and the others go on, with %s',
    (policy) => {
      const topology = topologyOf(policy);
      send(topology, [1, 2, 4, 6, 7]);
      const elements = topology.runToIdle();
      expect(answersIn(elements).toSorted()).toEqual(all);
      expect(topology.skipped).toHaveLength(3);
      const letters = lettersIn(topology, elements).map(({ headers }) => [
        headers['millrace-error-offset'],
        headers['millrace-error-operator'],
      ]);
      const kept = [
        ['1', 'odd'],
        ['2', 'odd'],
        ['3', 'takes'],
      ];
      expect(letters.toSorted((a, b) => Number(a[0]) - Number(b[0]))).toEqual(policy === 'dead-letter' ? kept : []);
    },
  );

  it.each([2, 4, 6])('that fails stops the task, which says which record it was, with fail (%i)', (number) => {
    const topology = topologyOf('fail');
    send(topology, [1, number]);
    expect(() => topology.runToIdle()).toThrow(String(number));
    expect(topology.fatal).toEqual([recordAt(1)]);
    expect(answersIn(topology.drain()).toSorted()).toContain('id-1 500');
  });

  it('is kept and passed over once it was set aside, with retry', () => {
    const topology = topologyOf('retry', [recordAt(1), recordAt(2), recordAt(3)]);
    send(topology, [1, 2, 4, 6, 7]);
    const elements = topology.runToIdle();
    expect(answersIn(elements).toSorted()).toEqual(all);
    expect(lettersIn(topology, elements)).toHaveLength(3);
    expect(topology.fatal).toEqual([]);
  });
});

/** Sets a timer for a number's own time; that of 2 throws when it fires. */
class Reminders extends KeyedProcessFunction<string, number, number> {
  override processElement(value: number, context: KeyedProcessContext<string>): void {
    context.timerService().registerEventTimeTimer(value);
  }

  override onTimer(timestamp: number, _context: unknown, out: Collector<number>): void {
    if (timestamp === 2) throw new Error('two fires badly');
    out.collect(timestamp);
  }
}

function timedNumbers(env: StreamEnvironment) {
  return env
    .fromCollection([1, 2, 3])
    .uid('numbers')
    .assignTimestampsAndWatermarks(WatermarkStrategy.monotonousTimestamps<number>().withTimestampAssigner((n) => n))
    .uid('times')
    .keyBy(() => 'all');
}

const reminders = (env: StreamEnvironment): void => {
  timedNumbers(env).process(new Reminders()).uid('reminders').sinkTo(topicSink('out', jsonSerde<number>()));
};

const windows = (env: StreamEnvironment): void => {
  timedNumbers(env)
    .window(TumblingEventTimeWindows.of(1))
    .reduce((a) => a)
    .uid('reminders')
    .map((value) => {
      if (value === 2) throw new Error('two fires badly');
      return value;
    })
    .uid('behind')
    .sinkTo(topicSink('out', jsonSerde<number>()));
};

describe.each([
  ['a timer', reminders],
  ['a window without timers', windows],
])('%s that throws', (_name, build) => {
  const topologyOf = (onError: OnError, setAside: readonly Culprit[] = []): TaskTopology =>
    new TaskTopology(build, { parallelism: 1, ringBytes: 8192, onError, setAside });

  it.each(['reject', 'skip', 'dead-letter', 'retry', 'fail'] as const)(
    'stops the task, which says which timer it was, with %s; set aside, it is dropped, and the others fire',
    (policy) => {
      const topology = topologyOf(policy);
      expect(() => topology.runToIdle()).toThrow('two fires badly');
      expect(topology.fatal).toMatchObject([{ kind: 'timer', timer: { operatorId: 'reminders', timestamp: 2 } }]);

      const [culprit] = topology.fatal;
      const next = topologyOf(policy, culprit === undefined || culprit === null ? [] : [culprit]);
      const sink = next.plan.topicSinks.find(({ topic }) => topic === 'out')?.index;
      const out = next.runToIdle().filter(({ kind, number }) => kind === 'record' && number === sink);
      expect(out.map(({ value }) => value)).toEqual(['1', '3']);
      expect(next.skipped).toHaveLength(1);
      expect(next.fatal).toEqual([]);
    },
  );
});
