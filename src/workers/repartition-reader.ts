import type { Serde } from '../api/serde.js';
import { NO_TIMESTAMP } from '../api/timer-service.js';
import { MillraceError } from '../base/errors.js';
import type { RecordScope } from '../operators/operator.js';
import { RecordCursor } from '../protocol/exchange-codec.js';
import type { SourceWatermarkStatus } from '../protocol/inspection.js';
import {
  decodeRepartitionedWatermark,
  isRepartitionedWatermark,
  REPARTITIONED_RECORD_START,
} from '../protocol/repartition-codec.js';
import { TopicRecordCursor } from '../protocol/topic-record-codec.js';
import type { DeadLetterWriter } from './dead-letter-writer.js';
import type { TopicRecordReader } from './input-channel.js';
import type { SourceEventTime } from './watermarked-source.js';
import { type ValveOutput, WatermarkValve } from './watermark-valve.js';

const EMPTY = Buffer.alloc(0);

export interface RepartitionReaderOptions {
  readonly topic: string;
  readonly scope: RecordScope;
  readonly serde: Serde<unknown>;
  /** Of the topic, those of this subtask; at least one. */
  readonly partitions: readonly number[];
  readonly shardCount: number;
  /** The head of the chain. */
  readonly output: ValveOutput;
  readonly now: () => number;
}

/**
 * The worker's part of the far end of a repartition topic: gives records back as they were, request and origin included, and
 * merges the watermarks that come with them.
 *
 * Every topic partition says for itself how far each shard before it has come. Event time is the least of all of them, so it
 * waits for a shard that nobody runs: its records are still to come. What a shard said stays in force when it moves to another
 * instance. After a restart nothing is known until each owner has spoken again, which it does with its next checkpoint.
 */
export class RepartitionReader implements TopicRecordReader, SourceEventTime {
  timestamp = NO_TIMESTAMP;
  value: unknown = undefined;
  readonly #options: RepartitionReaderOptions;
  readonly #records = new TopicRecordCursor();
  readonly #cursor = new RecordCursor();
  /** A channel for each partition and, within it, for each shard before the topic. */
  readonly #valve: WatermarkValve;
  /** By partition: its place among those of this subtask. */
  readonly #placeOf: ReadonlyMap<number, number>;

  constructor(options: RepartitionReaderOptions) {
    const { partitions, shardCount, output, now } = options;
    this.#options = options;
    this.#placeOf = new Map(partitions.map((partition, place) => [partition, place]));
    this.#valve = new WatermarkValve(partitions.length * shardCount, output, now);
  }

  open(frame: Buffer, start: number, end: number): void {
    this.#records.open(frame, start, end);
  }

  advance(): boolean {
    const { scope } = this.#options;
    while (this.#records.advance()) {
      const value = this.#records.value ?? EMPTY;
      if (isRepartitionedWatermark(value)) {
        this.#takeWatermark(value);
        continue;
      }
      this.value = undefined;
      this.#cursor.open(value, REPARTITIONED_RECORD_START, value.length);
      this.#cursor.advance(scope);
      this.timestamp = this.#cursor.timestamp;
      this.value = this.#decode(value);
      return true;
    }
    return false;
  }

  get partition(): number {
    return this.#records.partition;
  }

  get offset(): number {
    return this.#records.offset;
  }

  /** The value as it was sent: the topic's own bytes mean nothing to anybody else. */
  keep(failure: MillraceError, deadLetters: DeadLetterWriter): void {
    deadLetters.writeValue(failure, this.value, this.timestamp);
  }

  /** For "why does my window not fire": each partition, with the shard that holds it back. */
  describe(): Pick<SourceWatermarkStatus, 'partitions' | 'slowestPartition'> {
    const { partitions, shardCount } = this.#options;
    const { channels, slowestChannel } = this.#valve;
    return {
      partitions: partitions.map((partition, place) => {
        const ofPartition = channels.slice(place * shardCount, (place + 1) * shardCount);
        const active = ofPartition.filter(({ state }) => state === 'ACTIVE');
        const [slowest = ofPartition[0]] = [...active].sort((a, b) => a.watermark - b.watermark);
        return {
          partition,
          watermark: slowest?.watermark ?? NO_TIMESTAMP,
          since: slowest?.since ?? 0,
          isIdle: active.length === 0,
        };
      }),
      slowestPartition: slowestChannel < 0 ? -1 : (partitions[Math.floor(slowestChannel / shardCount)] ?? -1),
    };
  }

  /** What was emitted last. */
  get current(): number {
    return this.#valve.currentWatermark;
  }

  #takeWatermark(value: Buffer): void {
    const { shardCount } = this.#options;
    const { watermark, isIdle, shards } = decodeRepartitionedWatermark(value);
    const first = (this.#placeOf.get(this.#records.partition) ?? 0) * shardCount;
    for (const shard of shards) {
      // An idle channel takes no watermark: so in this order, both ways.
      if (!isIdle) this.#valve.inputStatus(first + shard, 'ACTIVE');
      this.#valve.inputWatermark(first + shard, watermark);
      if (isIdle) this.#valve.inputStatus(first + shard, 'IDLE');
    }
  }

  #decode(value: Buffer): unknown {
    const cursor = this.#cursor;
    if (cursor.isNumber) return cursor.number;
    try {
      return this.#options.serde.deserialise(value.subarray(cursor.valueStart, cursor.valueEnd));
    } catch (cause) {
      const { partition, offset } = this.#records;
      const { topic } = this.#options;
      throw new MillraceError(
        'MILLRACE_DESERIALISATION_FAILED',
        `record ${String(offset)} of repartition topic ${topic}-${String(partition)} cannot be decoded`,
        { details: { topic, partition, offset }, cause },
      );
    }
  }
}
