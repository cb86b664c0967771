import { describe, expect, it } from 'vitest';
import type { IngressRouter } from '../../../src/main/ingress-router.js';
import { RecordPassage } from '../../../src/main/record-passage.js';
import { planOf } from '../../helpers/build-job.js';

interface Step {
  readonly first: string;
  readonly second: string;
}

/** Requests, keyed anew twice: three vertices one behind the other, over two workers. */
function setUp(whenForwarded: IngressRouter['whenForwarded']) {
  const plan = planOf((env) => {
    env
      .requests('POST /steps', { key: ({ path }) => path })
      .uid('steps')
      .map(({ body }) => body as Step)
      .keyBy(({ first }) => first)
      .reduce((a) => a)
      .uid('first')
      .keyBy(({ second }) => second)
      .reduce((a) => a)
      .uid('second')
      .respond();
  });
  const asked: number[] = [];
  const passage: RecordPassage = new RecordPassage({
    plan,
    ingress: () => ({ whenForwarded }) as unknown as IngressRouter,
    watch: async (vertex, ticket) => {
      asked.push(vertex);
      // One worker after the other, and one that says it twice.
      for (const worker of [0, 0, 1]) setImmediate(() => passage.onPassed(worker, ticket));
    },
  });
  const position = { topic: plan.topicSources[0]?.topic ?? '', partition: 1, offset: 5 };
  return { plan, passage, asked, position };
}

const forwarded: IngressRouter['whenForwarded'] = async () => undefined;

/** A record that does not come. */
const absent: IngressRouter['whenForwarded'] = (_source, _place, signal) =>
  new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason));
  });

describe('the passage of a record', () => {
  it('asks the vertices on the way, one after the other, up to the one that is read', async () => {
    const { plan, passage, asked, position } = setUp(forwarded);
    expect(plan.vertices).toHaveLength(3);
    expect(await passage.through(position, 1, 10_000)).toBe('passed');
    expect(asked.splice(0)).toEqual([0, 1]);
    expect(await passage.through(position, 2, 10_000)).toBe('passed');
    expect(asked).toEqual([0, 1, 2]);
  });

  it('is not waited for where nothing of it comes', async () => {
    const { passage, asked, position } = setUp(forwarded);
    for (const foreign of [
      { ...position, topic: 'other' },
      { ...position, partition: 16 },
    ]) {
      expect(await passage.through(foreign, 2, 10_000)).toBe('foreign-position');
    }
    expect(asked).toEqual([]);
  });

  it('ends late when it does not come, and with the reason when the attempt ends', async () => {
    const { passage, asked, position } = setUp(absent);
    expect(await passage.through(position, 2, 1)).toBe('too-late');
    const waiting = passage.through(position, 2, 60_000);
    passage.stop(new Error('the attempt has ended'));
    await expect(waiting).rejects.toThrow('the attempt has ended');
    expect(asked).toEqual([]);
  });
});
