import { murmur2 } from '../api/internal/key-groups.js';
import { parseOwner } from '../api/internal/idempotency.js';
import {
  CONTENT_TYPE_HEADER,
  CORRELATION_ID_HEADER,
  IDEMPOTENCY_ANSWER_HEADER,
  IDEMPOTENCY_OWNER_HEADER,
  REPLY_TO_HEADER,
  STATUS_HEADER,
} from '../api/internal/request-headers.js';
import { MillraceError } from '../base/errors.js';
import { invariant } from '../base/invariant.js';
import type { AppendListener, TopicPort } from '../connectors/topic.js';
import type { EgressChannel as EgressChannelPlan } from '../graph/execution-plan.js';
import { BARRIER, decodeNumber, END_OF_INPUT, TOPIC_BATCH } from '../protocol/stream-element.js';
import { ANY_PARTITION, RESPONSE_SINK, TopicRecordCursor } from '../protocol/topic-record-codec.js';
import type { ChannelReader } from '../shared-memory/channel-reader.js';
import { BlockRecord } from './block-record.js';
import type { RepartitionWatermarks } from './repartition-watermarks.js';
import type { TransactionalOutput } from './transactional-output.js';

/** Bytes that may be appended and not yet durable before a channel is left unread: backpressure from a slow disk. */
const UNSYNCED_BYTES_MAX = 8 * 1024 * 1024;

/** What of a reply is kept as an answer. */
const KEPT_HEADERS: ReadonlySet<string> = new Set([CORRELATION_ID_HEADER, STATUS_HEADER, CONTENT_TYPE_HEADER]);

/** A topic that a sink writes to, with its number of partitions. */
export interface SinkTopic {
  readonly topic: string;
  readonly partitionCount: number;
  /** Whether its records become visible with their checkpoint only. */
  readonly isTransactional: boolean;
  /** Whether a caller may wait for its records: then no checkpoint comes too early. @defaultValue false */
  readonly isUrgent?: boolean;
}

export interface EgressOptions {
  readonly port: TopicPort;
  /** The output of exactly-once sinks; `null` when there are none. */
  readonly output: TransactionalOutput | null;
  /** By index of the plan's topic sinks. */
  readonly sinkTopics: readonly SinkTopic[];
  /** The event time that goes with records to the shards of other keys; `null` in a job that has all shards here. */
  readonly repartitioned?: RepartitionWatermarks | null;
  /** `null` when the job answers no requests. */
  readonly responseTopic: string | null;
  /** Somebody waits for what was appended since the last barrier. Called once until the next one. */
  readonly onCommitWanted?: () => void;
  /** Everything that this channel's subtask wrote before the barrier is durable. */
  readonly onBarrierDurable: (channelIndex: number, checkpointId: number) => void;
  /** Something that was appended before the barrier was refused, by a full disk say: the checkpoint cannot be completed. */
  readonly onBarrierFailed: (channelIndex: number, checkpointId: number, cause: Error) => void;
  /** A sink's record was refused: it comes again only by replay. */
  readonly onFailure: (error: Error) => void;
}

/**
 * Takes what the workers write to topics, and their answers to requests, out of the rings and appends it.
 *
 * A barrier is acknowledged when everything before it is durable, so a checkpoint that completes covers its output. Channels
 * with exactly-once sinks are aligned, and acknowledged together (transactional-output.ts). While too much waits for the disk the rings are not read, and the workers feel it.
 *
 * Thread: main. {@link drain} is called when main's doorbell was rung.
 */
export class EgressCollector {
  readonly #channels: readonly EgressChannel[];
  /** Those with exactly-once sinks. */
  readonly #transactional: readonly EgressChannel[];
  readonly #options: EgressOptions;
  readonly #record = new BlockRecord();
  /** Bytes appended since the start, and how many of them are surely on disk: both only grow. */
  #appendedBytes = 0;
  #syncedBytes = 0;
  /** Whether somebody waits for the commit of what was appended since the last barrier. */
  #isCommitWanted = false;
  #isStopped = false;
  #turn = 0;

  constructor(channels: readonly { plan: EgressChannelPlan; reader: ChannelReader }[], options: EgressOptions) {
    this.#options = options;
    const transactional: EgressChannel[] = [];
    this.#channels = channels.map(({ plan, reader }) => {
      const isTransactional = plan.topicSinks.some((sink) => options.sinkTopics[sink]?.isTransactional === true);
      const channel = new EgressChannel(plan, reader, this, isTransactional ? transactional.length : -1);
      if (isTransactional) transactional.push(channel);
      return channel;
    });
    this.#transactional = transactional;
  }

  /** Takes everything that is ready. @returns whether anything was */
  drain(): boolean {
    let hasWorked = false;
    for (const channel of this.#channels) hasWorked = channel.drain() || hasWorked;
    return hasWorked;
  }

  /** Whether {@link drain} would find something to do. */
  hasWork(): boolean {
    return !this.isThrottled && this.#channels.some((channel) => channel.hasWork());
  }

  get isThrottled(): boolean {
    return this.#isStopped || this.#appendedBytes - this.#syncedBytes > UNSYNCED_BYTES_MAX;
  }

  stop(): void {
    this.#isStopped = true;
  }

  /** @internal for {@link EgressChannel} */
  appendFrom(cursor: TopicRecordCursor, channelIndex: number, listener: AppendListener): void {
    const sink = cursor.offset;
    if (sink === RESPONSE_SINK) return this.#appendReply(cursor, listener);
    const target = this.#options.sinkTopics[sink];
    invariant(target !== undefined, 'a sink record names a sink of the plan');
    if (this.#options.repartitioned?.take(sink, channelIndex, cursor) === true) return;
    if (target.isUrgent === true && !this.#isCommitWanted) {
      this.#isCommitWanted = true;
      this.#options.onCommitWanted?.();
    }
    const partition = this.#partitionOf(cursor, cursor.key, target.partitionCount);
    if (target.isTransactional) this.#appendOutput(target.topic, partition, cursor, listener);
    else this.#append(target.topic, partition, cursor, listener);
  }

  /** @internal for {@link EgressChannel} */
  barrier(channel: EgressChannel, checkpointId: number): void {
    if (channel.place < 0) return this.#acknowledge([channel], checkpointId, this.#flush());
    const { output } = this.#options;
    const prepared = output?.onBarrier(channel.place, checkpointId, () => this.#endOutput(output)) ?? null;
    if (prepared === null) return;
    this.#acknowledge(this.#transactional, checkpointId, Promise.all([prepared, this.#flush()]));
  }

  #endOutput(output: TransactionalOutput): void {
    this.#isCommitWanted = false;
    this.#options.repartitioned?.appendTo(output);
  }

  /** @internal for {@link EgressChannel} */
  isBlocked(channel: EgressChannel): boolean {
    return channel.place >= 0 && this.#options.output?.isBlocked(channel.place) === true;
  }

  #acknowledge(channels: readonly EgressChannel[], checkpointId: number, durable: Promise<unknown>): void {
    const { onBarrierDurable, onBarrierFailed } = this.#options;
    durable.then(
      () => {
        for (const { index } of channels) onBarrierDurable(index, checkpointId);
      },
      (error: unknown) => {
        for (const { index } of channels) onBarrierFailed(index, checkpointId, error as Error);
      },
    );
  }

  /** @internal for {@link EgressChannel} */
  fail(error: Error): void {
    if (this.#isStopped) return;
    this.stop();
    this.#options.onFailure(error);
  }

  /**
   * A reply that cannot be stored has reached its reader by then, and a replay gives it again: nothing to fail for. Its
   * addresses came with the request, from whoever wrote it to the topic: they may name no topic of ours.
   */
  #appendReply(cursor: TopicRecordCursor, listener: AppendListener): void {
    try {
      this.#returnToOwner(cursor, listener);
      this.#appendToReplyAddress(cursor);
    } catch (error) {
      if (!MillraceError.is(error) || error.recovery !== 'fail') throw error;
    }
  }

  #appendToReplyAddress(cursor: TopicRecordCursor): void {
    const replyTo = cursor.headerText(REPLY_TO_HEADER) ?? '';
    const colon = replyTo.lastIndexOf(':');
    const topic = colon < 0 ? this.#options.responseTopic : replyTo.slice(0, colon);
    const partition = colon < 0 ? 0 : Number(replyTo.slice(colon + 1));
    if (topic !== null) this.#append(topic, partition, cursor, null);
  }

  /**
   * The answer to a request with an idempotency key, given elsewhere than where the key's owner sits: it goes back to the
   * request topic, in the owner's partition, for repetitions to be answered with. It must not be lost: the checkpoint that
   * covers the answer completes when this is durable as well.
   */
  #returnToOwner(cursor: TopicRecordCursor, listener: AppendListener): void {
    const text = cursor.headerText(IDEMPOTENCY_OWNER_HEADER);
    const owner = text === null ? null : parseOwner(text);
    if (owner === null) return;
    const kept = cursor.headers.filter(([name]) => KEPT_HEADERS.has(name));
    const record = {
      partition: owner.partition,
      key: null,
      value: cursor.value,
      headers: [[IDEMPOTENCY_ANSWER_HEADER, Buffer.from(owner.name)] as const, ...kept],
      timestamp: cursor.timestamp,
    };
    this.#countUnsynced(cursor.end - cursor.start);
    this.#options.port.append(owner.topic, record, listener);
  }

  #append(topic: string, partition: number, cursor: TopicRecordCursor, listener: AppendListener | null): void {
    this.#options.port.append(topic, this.#recordOf(partition, cursor), listener);
  }

  #appendOutput(topic: string, partition: number, cursor: TopicRecordCursor, listener: AppendListener): void {
    const { output } = this.#options;
    invariant(output !== null, 'a job with exactly-once sinks has transactional output');
    output.append(topic, this.#recordOf(partition, cursor), listener);
  }

  #recordOf(partition: number, cursor: TopicRecordCursor): BlockRecord {
    this.#countUnsynced(cursor.end - cursor.start);
    this.#record.block = cursor;
    this.#record.partition = partition;
    return this.#record;
  }

  /** One flush per throttling, not per record: its end says that what was appended before it is on disk. */
  #countUnsynced(bytes: number): void {
    const wasThrottled = this.isThrottled;
    this.#appendedBytes += bytes;
    if (wasThrottled || !this.isThrottled) return;
    const resume = (): void => void this.drain();
    this.#flush().then(resume, resume);
  }

  /** Everything appended so far counts as synced when the flush has ended, whichever way. */
  async #flush(): Promise<void> {
    const appendedBytes = this.#appendedBytes;
    try {
      await this.#options.port.flush();
    } finally {
      // Flushes overlap, a barrier's and one for throttling: the later beginning is not always the later end.
      this.#syncedBytes = Math.max(this.#syncedBytes, appendedBytes);
    }
  }

  #partitionOf(cursor: TopicRecordCursor, key: Uint8Array | null, partitionCount: number): number {
    if (cursor.partition !== ANY_PARTITION) return cursor.partition;
    if (key !== null) return (murmur2(key, 0, key.length) & 0x7fffffff) % partitionCount;
    this.#turn = (this.#turn + 1) % partitionCount;
    return this.#turn;
  }
}

/** One ring from a subtask. */
class EgressChannel implements AppendListener {
  readonly index: number;
  /** Among the channels with exactly-once sinks; -1 for the others. */
  readonly place: number;
  readonly #reader: ChannelReader;
  readonly #collector: EgressCollector;
  readonly #cursor = new TopicRecordCursor();

  constructor(plan: EgressChannelPlan, reader: ChannelReader, collector: EgressCollector, place: number) {
    this.index = plan.index;
    this.place = place;
    this.#reader = reader;
    this.#collector = collector;
  }

  drain(): boolean {
    const reader = this.#reader;
    let hasWorked = false;
    while (!this.#collector.isThrottled && !this.#collector.isBlocked(this) && reader.poll()) {
      this.#take(reader.kind);
      reader.release();
      hasWorked = true;
    }
    return hasWorked;
  }

  hasWork(): boolean {
    return !this.#collector.isBlocked(this) && !this.#reader.isEmpty();
  }

  onAppended(): void {
    // Durability is asked for at the barrier, for everything at once.
  }

  onAppendFailed(error: Error): void {
    this.#collector.fail(error);
  }

  #take(kind: number): void {
    const { frame, start, end } = this.#reader;
    switch (kind) {
      case TOPIC_BATCH:
        this.#cursor.open(frame, start, end);
        while (this.#cursor.advance()) this.#collector.appendFrom(this.#cursor, this.index, this);
        return;
      case BARRIER:
        return this.#collector.barrier(this, decodeNumber(frame, start));
      default:
        invariant(kind === END_OF_INPUT, 'an egress channel carries topic records, barriers and its end');
    }
  }
}
