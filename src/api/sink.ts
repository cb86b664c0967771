import { MillraceError } from '../base/errors.js';
import type { KeySelector } from './functions.js';
import type { Key } from './key.js';
import type { DeliveryGuarantee, SinkSpec } from './internal/operator-spec.js';
import { requireKeyFunction, requireSerde, requireTopicName } from './internal/author-checks.js';
import type { Serde } from './serde.js';
import type { RichSinkFunction, SinkFunction } from './sink-function.js';

/** Where a stream's records go. Given to `stream.sinkTo`; made by {@link topicSink} and {@link functionSink}. @public */
export interface Sink<T> {
  /** @internal */
  readonly spec: SinkSpec;
  /** Only a type: what the sink takes. */
  readonly accepts?: (value: T) => void;
}

/** How records are dealt out to a topic's partitions, and what a failure may do to them. @public */
export interface TopicSinkOptions<T> {
  /**
   * Becomes the record's key and chooses its topic partition, as Kafka's own partitioner would.
   *
   * @defaultValue none: no key, and the partitions in turn
   */
  readonly key?: KeySelector<T, Key>;
  /**
   * - `at-least-once`: visible at once; a failure may repeat the records since the last checkpoint.
   * - `exactly-once`: each record once, whatever fails, for readers of committed records: those of Millrace's own topic
   *   sources, and Kafka's with `read_committed`. Visible when the checkpoint completes that covers it, at the checkpoint
   *   interval. Nothing but sinks of this guarantee may write to the topic.
   *
   * @defaultValue 'at-least-once'
   */
  readonly guarantee?: DeliveryGuarantee;
}

/**
 * Appends to a topic. Headers that tie a record to a request ride along, so that another service can answer it.
 *
 * @throws MillraceError `MILLRACE_JOB_INVALID` for a name, serde or key that cannot be right
 *
 * @example
 * totals.sinkTo(topicSink('totals', jsonSerde<Total>(), { key: (total) => total.shop, guarantee: 'exactly-once' })).uid('totals');
 *
 * @public
 */
export function topicSink<T>(name: string, serde: Serde<T>, options: TopicSinkOptions<T> = {}): Sink<T> {
  requireTopicName(name);
  requireSerde(serde, `topic "${name}"`);
  requireKeyFunction(options.key, `topic "${name}"`);
  return {
    spec: {
      kind: 'topic-sink',
      topic: name,
      serde,
      key: (options.key ?? null) as KeySelector<unknown, unknown> | null,
      guarantee: options.guarantee ?? 'at-least-once',
    },
  };
}

/**
 * Calls the author's code in the worker, once per record; again for records since the last checkpoint after a failure.
 *
 * @throws MillraceError `MILLRACE_JOB_INVALID` for something that is no function
 *
 * @public
 */
export function functionSink<T>(fn: SinkFunction<T>): Sink<T> {
  if (typeof fn !== 'function' && typeof (fn as Partial<RichSinkFunction<T>> | undefined)?.invoke !== 'function') {
    throw new MillraceError('MILLRACE_JOB_INVALID', 'a function sink has no function', {
      hint: 'Give functionSink a function, or an object with the method invoke.',
    });
  }
  return { spec: { kind: 'function-sink', fn: fn as SinkFunction<unknown> } };
}
