import { keyGroupOf } from '../api/internal/key-bytes.js';
import { shardOfKeyGroup } from '../api/internal/key-groups.js';
import type { RepartitionSinkSpec } from '../api/internal/operator-spec.js';
import type { Serde } from '../api/serde.js';
import { NO_TIMESTAMP } from '../api/timer-service.js';
import { invariant } from '../base/invariant.js';
import type { OperatorContext, StreamOperator, WatermarkStatus } from '../operators/operator.js';
import { ByteWriter } from '../protocol/byte-writer.js';
import type { ChannelOutput } from '../protocol/channel-output.js';
import { encodeRepartitionedRecord, encodeRepartitionedWatermark } from '../protocol/repartition-codec.js';
import { encodeTopicRecord } from '../protocol/topic-record-codec.js';

const NO_HEADERS: readonly (readonly [string, Uint8Array])[] = [];
const NO_SHARDS: readonly number[] = [];

/**
 * The worker's part of sending records to the shard of another key, at whichever instance: each goes to main for the topic
 * partition of that shard, with everything that it would take along to another task. Watermarks go to main as well, which
 * knows when all subtasks have come as far.
 */
export class RepartitionSinkOperator implements StreamOperator<unknown, never> {
  readonly #key: RepartitionSinkSpec['key'];
  readonly #sinkIndex: number;
  readonly #shardCount: number;
  readonly #serde: Serde<unknown>;
  readonly #egress: ChannelOutput;
  readonly #writer = new ByteWriter(4096);
  #context: OperatorContext<never> | null = null;
  #watermark = NO_TIMESTAMP;
  #isIdle = false;

  constructor(
    spec: RepartitionSinkSpec,
    options: { sinkIndex: number; shardCount: number; serde: Serde<unknown>; egress: ChannelOutput },
  ) {
    this.#key = spec.key;
    this.#sinkIndex = options.sinkIndex;
    this.#shardCount = options.shardCount;
    this.#serde = options.serde;
    this.#egress = options.egress;
  }

  open(context: OperatorContext<never>): void {
    this.#context = context;
  }

  processElement(value: unknown, timestamp: number): void {
    const context = this.#context;
    invariant(context !== null, 'an operator is opened before it is given records');
    const bytes = typeof value === 'number' ? null : this.#serde.serialise(value);
    encodeRepartitionedRecord(this.#writer, value, bytes, timestamp, context.scope);
    const shard = shardOfKeyGroup(keyGroupOf(this.#key(value)), this.#shardCount);
    this.#send(shard, this.#writer.bytes.subarray(0, this.#writer.length));
  }

  processWatermark(timestamp: number): void {
    this.#watermark = timestamp;
    this.#sendWatermark();
  }

  processStatus(status: WatermarkStatus): void {
    this.#isIdle = status === 'IDLE';
    this.#sendWatermark();
  }

  close(): void {
    this.#context = null;
  }

  #sendWatermark(): void {
    // Main knows which shards the subtask stands for; the partition does not matter.
    this.#send(
      0,
      encodeRepartitionedWatermark({ watermark: this.#watermark, isIdle: this.#isIdle, shards: NO_SHARDS }),
    );
  }

  /** The timestamp is when it was written, as the topic's retention goes by it: event time travels within. */
  #send(partition: number, value: Uint8Array): void {
    encodeTopicRecord(this.#egress.batch, {
      partition,
      offset: this.#sinkIndex,
      timestamp: this.#context?.processingTime.now() ?? 0,
      key: null,
      value,
      headers: NO_HEADERS,
    });
    this.#egress.recordWritten();
  }
}
