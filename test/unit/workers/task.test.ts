import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { OnError } from '../../../src/api/internal/transformation.js';
import { jsonSerde } from '../../../src/api/standard-serdes.js';
import { topicSink } from '../../../src/api/sink.js';
import type { Culprit } from '../../../src/protocol/culprit.js';
import { MessagePackSerde } from '../../../src/protocol/msgpack-serde.js';
import { encodeTopicRecord } from '../../../src/protocol/topic-record-codec.js';
import { TaskTopology, type EgressElement } from '../../helpers/task-topology.js';

const valuesOf = (elements: readonly EgressElement[], sink = 0): unknown[] =>
  elements
    .filter(({ kind, number }) => kind === 'record' && number === sink)
    .map(({ value }) => JSON.parse(value) as unknown);
const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index);
const ascending = (values: unknown[]): number[] => (values as number[]).toSorted((a, b) => a - b);

describe('tasks over channels', () => {
  it('come to their end when all rings are tiny and every record fans out, in whatever order they run', () => {
    fc.assert(
      fc.property(
        fc.record({
          count: fc.integer({ min: 0, max: 120 }),
          fan: fc.integer({ min: 1, max: 4 }),
          parallelism: fc.integer({ min: 1, max: 3 }),
          ringBytes: fc.constantFrom(256, 1024, 8192),
          padding: fc.integer({ min: 0, max: 600 }),
          order: fc.array(fc.nat(), { minLength: 1, maxLength: 8 }),
          isLocal: fc.boolean(),
        }),
        ({ count, fan, parallelism, ringBytes, padding, order, isLocal }) => {
          const topology = new TaskTopology(
            (env) => {
              const text = 'x'.repeat(padding);
              const records = env
                .fromGenerator((index) => (index < count ? { index, text } : undefined))
                .flatMap<{ id: number; text: string }>(({ index }, out) => {
                  for (let copy = 0; copy < fan; copy++) out.collect({ id: index * fan + copy, text });
                });
              const keyed = records.keyBy(({ id }) => id % 13).reduce((_, value) => value);
              const spread = records.rebalance().map((record) => record);
              const all = records.broadcast().map((record) => record);
              keyed
                .union(spread)
                .rebalance()
                .map(({ id }) => id)
                .sinkTo(topicSink('both', jsonSerde<number>()));
              all.map(({ id }) => id).sinkTo(topicSink('all', jsonSerde<number>()));
            },
            { parallelism, ringBytes, isLocal },
          );
          // Not fair: one task of each round comes first, and others are left out for a while.
          const elements = topology.runToIdle((round) => {
            const first = (order[round % order.length] ?? 0) % topology.tasks.length;
            return [...topology.tasks.slice(first), ...(round % 3 === 0 ? topology.tasks.slice(0, first) : [])];
          });
          const once = numbers(count * fan);
          const byTopic = new Map(topology.plan.topicSinks.map(({ topic, index }) => [topic, index]));
          expect(ascending(valuesOf(elements, byTopic.get('both')))).toEqual(once.flatMap((id) => [id, id]));
          expect(ascending(valuesOf(elements, byTopic.get('all')))).toEqual(
            once.flatMap((id) => Array.from({ length: parallelism }, () => id)),
          );
          expect(topology.finished).toHaveLength(topology.tasks.length);
        },
      ),
      { numRuns: 40 },
    );
  });

  it('take no input while a result waits for room, and go on when there is', () => {
    const topology = new TaskTopology(
      (env) => {
        env
          .fromGenerator((index) => (index < 200 ? 'y'.repeat(500) + String(index) : undefined))
          .rebalance()
          .map((text) => text.length)
          .sinkTo(topicSink('lengths', jsonSerde<number>()));
      },
      { parallelism: 1, ringBytes: 256 },
    );
    const [source, sink] = topology.tasks;
    if (source === undefined || sink === undefined) throw new Error('the job has two tasks');
    while (topology.step(source));
    expect(source.isRunnable()).toBe(false);
    expect(source.isFinished).toBe(false);
    // A large record comes in pieces: a step may take one and have no whole record yet.
    let isRunnableAgain = false;
    const elements: EgressElement[] = [];
    for (let turn = 0; turn < 10_000 && !isRunnableAgain; turn++) {
      topology.step(sink);
      elements.push(...topology.drain());
      isRunnableAgain = source.isRunnable();
    }
    expect(isRunnableAgain).toBe(true);
    expect(valuesOf([...elements, ...topology.runToIdle()])).toHaveLength(200);
  });
});

describe('a checkpoint over tasks', () => {
  it.each([false, true])(
    'is acknowledged by every task once, with the barrier behind what came before it: local %s',
    (isLocal) => {
      const topology = new TaskTopology(
        (env) => {
          env
            .fromGenerator((index) => (index < 5_000 ? index : undefined))
            .rebalance()
            .map((value) => value)
            .keyBy((value) => value % 7)
            .reduce((sum, value) => sum + value)
            .sinkTo(topicSink('sums', jsonSerde<number>()));
        },
        { parallelism: 2, ringBytes: 1024, isLocal },
      );
      const elements: EgressElement[] = [];
      for (let checkpointId = 1; checkpointId <= 5; checkpointId++) {
        for (const task of topology.tasks) topology.step(task);
        for (const task of topology.tasks) task.triggerCheckpoint(checkpointId);
        for (let round = 0; round < 50; round++) {
          for (const task of topology.tasks) topology.step(task);
          elements.push(...topology.drain());
        }
      }
      elements.push(...topology.runToIdle());
      for (const task of topology.tasks) task.triggerCheckpoint(6);
      elements.push(...topology.drain());
      for (let checkpointId = 1; checkpointId <= 6; checkpointId++) {
        const taken = topology.snapshots.filter((snapshot) => snapshot.checkpointId === checkpointId);
        expect(taken, `checkpoint ${String(checkpointId)}`).toHaveLength(topology.tasks.length);
      }
      const channels = topology.plan.channels.filter(({ kind }) => kind === 'egress');
      for (const { index } of channels) {
        const barriers = elements.filter(({ kind, channel }) => kind === 'barrier' && channel === index);
        expect(barriers.map(({ number }) => number)).toEqual([1, 2, 3, 4, 5, 6]);
      }
    },
  );

  it('is acknowledged also by a task whose inputs ended before the barrier, asked before or after', () => {
    const topology = new TaskTopology(
      (env) => {
        env
          .fromCollection([1, 2, 3])
          .rebalance()
          .map((value) => value)
          .sinkTo(topicSink('out', jsonSerde<number>()));
      },
      { parallelism: 1, ringBytes: 1024 },
    );
    const [source, sink] = topology.tasks;
    if (source === undefined || sink === undefined) throw new Error('the job has two tasks');
    while (topology.step(source));
    expect([source.isFinished, sink.isFinished]).toEqual([true, false]);
    // The source's barrier has no place behind its end, and the sink has not read the end yet.
    for (const task of topology.tasks) task.triggerCheckpoint(1);
    const elements = topology.runToIdle();
    expect(topology.snapshots).toHaveLength(2);
    for (const task of topology.tasks) task.triggerCheckpoint(2);
    expect(topology.snapshots).toHaveLength(4);
    expect([...elements, ...topology.drain()].map(({ kind }) => kind)).toEqual(
      'record record record end barrier barrier'.split(' '),
    );
  });

  it('that was given up is not taken later', () => {
    const topology = new TaskTopology(
      (env) => {
        env.fromGenerator((index) => index).sinkTo(topicSink('out', jsonSerde<number>()));
      },
      { parallelism: 1, ringBytes: 1024 },
    );
    for (const task of topology.tasks) {
      task.triggerCheckpoint(1);
      task.abortCheckpoint(1);
      topology.step(task);
    }
    expect(topology.snapshots).toEqual([]);
  });
});

describe('a record that fails', () => {
  const recordAt = (offset: number, isDeadly = false): Culprit => {
    const record = { sourceId: 'numbers', topic: 'topology.requests.numbers', partition: 0, offset };
    return { kind: 'record', record, isDeadly };
  };
  const job = (onError: OnError, setAside: readonly Culprit[] = []): TaskTopology =>
    new TaskTopology(
      (env) => {
        env
          .requests('POST /numbers')
          .uid('numbers')
          .map((request) => {
            if (request.body === 2) throw new Error('two is not taken');
            return request.body;
          })
          .uid('fragile')
          .respond();
      },
      { parallelism: 1, ringBytes: 8192, onError, setAside },
    );
  const send = (topology: TaskTopology, bodies: readonly string[], withRequest = true): void => {
    const input = topology.ingress(0);
    for (const [offset, body] of bodies.entries()) {
      const text = (value: string): Buffer => Buffer.from(value);
      encodeTopicRecord(input.batch, {
        partition: 0,
        offset,
        timestamp: 1,
        key: text(`key-${String(offset)}`),
        value: text(body),
        headers: withRequest
          ? [
              ['millrace-correlation-id', text(`id-${String(offset)}`)],
              ['millrace-reply-to', text('replies:0')],
              ['millrace-error-code', text('OF_ANOTHER_LIFE')],
            ]
          : [],
      });
      input.recordWritten();
    }
    input.flush();
  };
  const answers = (elements: readonly EgressElement[]): EgressElement[] =>
    elements.filter(({ kind, number }) => kind === 'record' && number === -1);
  const statuses = (elements: readonly EgressElement[]): (string | undefined)[] =>
    elements.map(({ headers }) => headers['millrace-status']);

  it.each(['reject', 'skip', 'dead-letter'] as const)('is answered and the others go on, with %s', (policy) => {
    const topology = job(policy);
    send(topology, ['1', '2', 'not json', '3']);
    expect(statuses(answers(topology.runToIdle()))).toEqual(['200', '500', '400', '200']);
    expect(topology.skipped.map(({ code }) => code)).toEqual([
      'MILLRACE_USER_FUNCTION_FAILED',
      'MILLRACE_DESERIALISATION_FAILED',
    ]);
  });

  it('leaves with its bytes, its headers and what went wrong before the barrier behind it, with dead-letter', () => {
    const topology = job('dead-letter');
    send(topology, ['1', '2', 'not json']);
    topology.ingress(0).emitBarrier(7);
    const elements = topology.runToIdle();
    expect(elements.map(({ kind, number }) => [kind, number])).toEqual([
      ['record', -1],
      ['record', -1],
      ['record', 0],
      ['record', -1],
      ['record', 0],
      ['barrier', 7],
    ]);
    expect(topology.plan.topicSinks[0]?.topic).toBe('topology.dlq');
    const [thrown, undecoded] = elements.filter(({ kind, number }) => kind === 'record' && number === 0);
    expect(thrown).toMatchObject({ key: 'key-1', value: '2' });
    const { 'millrace-error-timestamp': failedAt, ...headers } = thrown?.headers ?? {};
    expect(Date.now() - Number(failedAt)).toBeLessThan(60_000);
    expect(headers).toEqual({
      'millrace-correlation-id': 'id-1',
      'millrace-error-code': 'MILLRACE_USER_FUNCTION_FAILED',
      'millrace-error-message': expect.stringContaining('two is not taken') as string,
      'millrace-error-operator': 'fragile',
      'millrace-error-value': 'source',
      'millrace-error-topic': 'topology.requests.numbers',
      'millrace-error-partition': '0',
      'millrace-error-offset': '1',
    });
    expect(undecoded).toMatchObject({
      key: 'key-2',
      value: 'not json',
      headers: { 'millrace-error-code': 'MILLRACE_DESERIALISATION_FAILED', 'millrace-error-operator': 'numbers' },
    });
  });

  it.each([true, false])('leaves as it crossed from another task, with dead-letter (same thread: %s)', (isLocal) => {
    const values = [{ id: 1 }, 2, { id: 3 }];
    const topology = new TaskTopology(
      (env) => {
        env
          .fromCollection<unknown>(values)
          .rebalance()
          .map((value) => {
            if (JSON.stringify(value) !== '{"id":1}') throw new Error(`no ${JSON.stringify(value)}`);
            return value;
          })
          .uid('picky')
          .sinkTo(topicSink('out', jsonSerde()));
      },
      { parallelism: 1, ringBytes: 8192, isLocal, onError: 'dead-letter' },
    );
    const sink = topology.plan.deadLetterSink ?? -1;
    expect(topology.plan.topicSinks[sink]?.topic).toBe('topology.dlq');
    const elements = topology.runToIdle().filter(({ kind }) => kind === 'record');
    expect(valuesOf(elements, topology.plan.topicSinks.find(({ topic }) => topic === 'out')?.index)).toEqual([
      { id: 1 },
    ]);
    const letters = elements.filter(({ number }) => number === sink);
    expect(letters.map(({ value }) => value)).toEqual(
      values.slice(1).map((value) => Buffer.from(new MessagePackSerde().serialise(value)).toString('utf8')),
    );
    for (const { key, headers } of letters) {
      expect(key).toBeNull();
      expect(headers).toMatchObject({ 'millrace-error-operator': 'picky', 'millrace-error-value': 'msgpack' });
      // It came from no topic.
      expect(Object.keys(headers)).not.toContain('millrace-error-topic');
    }
  });

  it('tells only what went wrong of a value without a serialised form, with dead-letter', () => {
    const topology = new TaskTopology(
      (env) => {
        env
          .fromGenerator((index) => (index === 0 ? { call: () => index } : undefined))
          .map(() => {
            throw new Error('always');
          })
          .print();
      },
      { parallelism: 1, ringBytes: 8192, onError: 'dead-letter' },
    );
    const letters = topology.runToIdle().filter(({ kind }) => kind === 'record');
    expect(letters).toMatchObject([{ value: '', headers: { 'millrace-error-value': 'none' } }]);
  });

  it('stops the task with fail, after its answer and those before it have left', () => {
    const topology = job('fail');
    send(topology, ['1', '2', '3']);
    expect(() => topology.runToIdle()).toThrow('two is not taken');
    expect(statuses(topology.drain())).toEqual(['200', '500']);
  });

  it.each(['fail', 'retry'] as const)('stops the task and says which record it was, with %s', (policy) => {
    const topology = job(policy);
    send(topology, ['1', '2', '3']);
    expect(() => topology.runToIdle()).toThrow('two is not taken');
    expect(topology.fatal).toEqual([recordAt(1)]);
    // With retry a later attempt may have another answer.
    expect(statuses(topology.drain())).toEqual(policy === 'retry' ? ['200'] : ['200', '500']);
  });

  it('is answered, kept and passed over once it was set aside; others still stop the task, with retry', () => {
    const topology = job('retry', [recordAt(1)]);
    send(topology, ['1', '2', '3', '2']);
    expect(() => topology.runToIdle()).toThrow('two is not taken');
    const elements = topology.drain();
    expect(statuses(answers(elements))).toEqual(['200', '500', '200']);
    const letters = elements.filter(({ number }) => number === topology.plan.deadLetterSink);
    expect(letters).toMatchObject([{ value: '2', headers: { 'millrace-error-offset': '1' } }]);
    expect(topology.skipped).toHaveLength(1);
    expect(topology.fatal).toEqual([recordAt(3)]);
  });

  it.each(['reject', 'skip', 'dead-letter', 'retry'] as const)(
    'is answered and passed over unseen once it has ended its thread too often, with %s',
    (policy) => {
      const topology = job(policy, [recordAt(0, true)]);
      send(topology, ['1', '1']);
      const elements = topology.runToIdle();
      expect(answers(elements).map(({ headers }) => headers['millrace-correlation-id'])).toEqual(['id-0', 'id-1']);
      expect(statuses(answers(elements))).toEqual(['500', '200']);
      expect(topology.skipped.map(({ code }) => code)).toEqual(['MILLRACE_RECORD_POISONOUS']);
      const letters = elements.filter(({ number }) => number === topology.plan.deadLetterSink);
      expect(letters.map(({ key }) => key)).toEqual(policy === 'dead-letter' || policy === 'retry' ? ['key-0'] : []);
    },
  );

  it('stops the task with reject when there is nobody to answer', () => {
    const topology = job('reject');
    send(topology, ['2'], false);
    expect(() => topology.runToIdle()).toThrow('two is not taken');
  });
});
