import type { ExecutionPlan } from '../graph/execution-plan.js';
import {
  decodeRepartitionedWatermark,
  encodeRepartitionedWatermark,
  isRepartitionedWatermark,
  type ShardsWatermark,
} from '../protocol/repartition-codec.js';
import type { TopicRecordCursor } from '../protocol/topic-record-codec.js';
import type { Clock } from '../base/clock.js';
import type { TransactionalOutput } from './transactional-output.js';

type EventTime = Omit<ShardsWatermark, 'shards'>;

interface Sink {
  readonly index: number;
  readonly topic: string;
  /** What each subtask has said last, by the index of its channel. */
  readonly channels: Map<number, EventTime>;
}

/**
 * The watermarks of one attempt that go through repartition topics: what its subtasks have in common goes behind the last
 * record of each checkpoint, to every topic partition. Readers see those records at the commit and not before, so more often
 * would tell them nothing.
 *
 * It goes with every checkpoint, also when nothing has changed: a partition's new owner does not know what was said before.
 *
 * Thread: main.
 */
export class RepartitionWatermarks {
  readonly #sinks: readonly Sink[];
  readonly #shards: readonly number[];
  readonly #shardCount: number;
  readonly #clock: Clock;

  private constructor(plan: ExecutionPlan, shards: readonly number[], clock: Clock) {
    this.#shards = shards;
    this.#shardCount = plan.shardCount;
    this.#clock = clock;
    const fed = subtasksWithPartitions(plan);
    this.#sinks = plan.topicSinks
      .filter(({ repartition }) => repartition !== null)
      .map(({ index, topic }) => {
        const channels = plan.channels.flatMap((channel) => {
          const isOfSink = channel.kind === 'egress' && channel.topicSinks.includes(index);
          // One that is fed nothing has nothing to wait for, until it says something.
          return isOfSink && fed.has(channel.producer.subtask) ? [channel.index] : [];
        });
        return { index, topic, channels: new Map(channels.map((channel) => [channel, UNKNOWN])) };
      });
  }

  /** @returns `null` for a plan without repartition topics, or without shards */
  static of(plan: ExecutionPlan, clock: Clock): RepartitionWatermarks | null {
    const shards = ownedShards(plan);
    if (shards.length === 0 || !plan.topicSinks.some(({ repartition }) => repartition !== null)) return null;
    return new RepartitionWatermarks(plan, shards, clock);
  }

  /** @returns whether it was a watermark, and no record for the topic */
  take(sinkIndex: number, channelIndex: number, cursor: TopicRecordCursor): boolean {
    const sink = this.#sinks.find(({ index }) => index === sinkIndex);
    const value = sink === undefined ? null : cursor.value;
    if (sink === undefined || value === null || !isRepartitionedWatermark(value)) return false;
    const { watermark, isIdle } = decodeRepartitionedWatermark(value);
    sink.channels.set(channelIndex, { watermark, isIdle });
    return true;
  }

  /** All subtasks have written what belongs to a checkpoint. */
  appendTo(output: TransactionalOutput): void {
    for (const { topic, channels } of this.#sinks) {
      const common = combined([...channels.values()]);
      if (common === null) continue;
      const record = {
        key: null,
        value: encodeRepartitionedWatermark({ ...common, shards: this.#shards }),
        headers: [],
        timestamp: this.#clock.now(),
      };
      for (let partition = 0; partition < this.#shardCount; partition++) {
        output.append(topic, { ...record, partition }, null);
      }
    }
  }
}

const UNKNOWN: EventTime = { watermark: -Infinity, isIdle: false };

/** @returns `null` when there is nothing to say: no event time, in most jobs */
function combined(times: readonly EventTime[]): EventTime | null {
  const active = times.filter(({ isIdle }) => !isIdle);
  if (active.length > 0) {
    const watermark = Math.min(...active.map((time) => time.watermark));
    return watermark === -Infinity ? null : { watermark, isIdle: false };
  }
  return times.length === 0 ? null : { watermark: Math.max(...times.map((time) => time.watermark)), isIdle: true };
}

function ownedShards({ channels, shardCount }: ExecutionPlan): readonly number[] {
  const partitions = channels.flatMap((channel) => (channel.kind === 'ingress' ? channel.partitions : []));
  return [...new Set(partitions.map((partition) => partition % shardCount))].sort((a, b) => a - b);
}

function subtasksWithPartitions({ channels }: ExecutionPlan): ReadonlySet<number> {
  const fed = channels.flatMap((channel) =>
    channel.kind === 'ingress' && channel.partitions.length > 0 ? [channel.consumer.subtask] : [],
  );
  return new Set(fed);
}
