import { MillraceError } from '../base/errors.js';
import type { KeySelector } from './functions.js';
import type { Key } from './key.js';
import type { SourceSpec } from './internal/operator-spec.js';
import { requireKeyFunction, requireSerde, requireTopicName } from './internal/author-checks.js';
import type { Serde } from './serde.js';

/**
 * Where a stream's records come from. Given to `env.fromSource`. `K` is the key by which the source's topic is partitioned,
 * so that its stream is keyed from the start; `never` when there is none.
 *
 * @public
 */
export interface Source<T, K = never> {
  /** @internal */
  readonly spec: SourceSpec;
  /** Only types. */
  readonly types?: { readonly record: T; readonly key: K };
}

/** Where reading a topic begins. @public */
export interface TopicSourceOptions {
  /** Where to begin when no offset was committed. @defaultValue 'earliest' */
  readonly startFrom?: 'earliest' | 'latest';
}

/** The same for a topic that is written by key. @public */
export interface KeyedTopicSourceOptions<T, K> extends TopicSourceOptions {
  /**
   * A promise: whoever writes the topic chooses the topic partition by this key's bytes, as Millrace and Kafka's own
   * partitioner do. The stream is then keyed without a shuffle.
   */
  readonly key: KeySelector<T, K>;
}

/**
 * The records of a topic, for ever. They carry the timestamps of the topic; a watermark strategy may give them others.
 *
 * @throws MillraceError `MILLRACE_JOB_INVALID` for a name, serde or key that cannot be right
 *
 * @example
 * env.fromSource(topic('orders', jsonSerde<Order>(), { key: (order) => order.customer })).process(new Orders()).uid('orders');
 *
 * @public
 */
export function topic<T, K extends Key>(
  name: string,
  serde: Serde<T>,
  options: KeyedTopicSourceOptions<T, K>,
): Source<T, K>;
/** The records of a topic that is written without a key that is known here. @public */
export function topic<T>(name: string, serde: Serde<T>, options?: TopicSourceOptions): Source<T>;
export function topic<T>(
  name: string,
  serde: Serde<T>,
  options: TopicSourceOptions & { readonly key?: KeySelector<T, unknown> } = {},
): Source<T, unknown> {
  requireTopicName(name);
  requireSerde(serde, `topic "${name}"`);
  requireKeyFunction(options.key, `topic "${name}"`);
  return {
    spec: {
      kind: 'topic-source',
      topic: name,
      serde,
      key: (options.key ?? null) as KeySelector<unknown, unknown> | null,
      startFrom: options.startFrom ?? 'earliest',
    },
  };
}

/** Values that the job module holds, then the end of input. One subtask unless the source's parallelism is set. @public */
export function collection<T>(values: Iterable<T>): Source<T> {
  return { spec: { kind: 'collection-source', values: [...values] } };
}

/**
 * Values that the workers compute from their index, 0, 1, 2, …; `undefined` ends the input. The next index is kept in
 * checkpoints, so `next` must give the same value for the same index, whenever and wherever it is asked.
 *
 * With p subtasks, subtask i asks for indices i, i + p, i + 2p, … and ends at its own first `undefined`. One subtask unless
 * the source's parallelism is set.
 *
 * @public
 */
export function generator<T>(next: (index: number) => T | undefined): Source<T> {
  if (typeof next !== 'function') {
    throw new MillraceError('MILLRACE_JOB_INVALID', 'the generator of a source is no function', {
      hint: 'Give a function from an index to a value.',
    });
  }
  return { spec: { kind: 'generator-source', next } };
}
