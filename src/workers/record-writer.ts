import { keyGroupOf } from '../api/internal/key-bytes.js';
import { shardOfKeyGroup, subtaskOfShard } from '../api/internal/key-groups.js';
import type { KeySelector } from '../api/functions.js';
import type { Serde } from '../api/serde.js';
import { MillraceError } from '../base/errors.js';
import { unreachable } from '../base/invariant.js';
import type { ExchangeKind } from '../graph/execution-plan.js';
import type { RecordScope, WatermarkStatus } from '../operators/operator.js';
import { ByteWriter } from '../protocol/byte-writer.js';
import { encodeRecord } from '../protocol/exchange-codec.js';
import { RECORD_BATCH } from '../protocol/stream-element.js';
import { BATCH_BYTES, type ChannelOutput } from '../protocol/channel-output.js';

export interface RecordWriterOptions {
  readonly exchange: ExchangeKind;
  /** One per consumer subtask, by subtask; for `forward` only the one of the same subtask. */
  readonly channels: readonly ChannelOutput[];
  /** Only for `hash`. */
  readonly key: KeySelector<unknown, unknown> | null;
  readonly serde: Serde<unknown>;
  readonly shardCount: number;
  /** The scope of the task, whose fields ride along with each record. */
  readonly scope: RecordScope;
  /** Where `rebalance` begins, so that the subtasks of a producer do not all begin with the same consumer. */
  readonly firstChannel: number;
  /** Whose records these are, for errors. */
  readonly operatorName: string;
}

/**
 * The end of a chain towards another vertex: serialises records and deals them out to the channels of one edge.
 *
 * Records wait in a batch per channel until it is full or the task's step ends ({@link flush}).
 */
export class RecordWriter {
  /** Records and bytes emitted so far, for the task's counters. */
  recordsOut = 0;
  bytesOut = 0;
  readonly #options: RecordWriterOptions;
  readonly #channels: readonly ChannelOutput[];
  readonly #serde: Serde<unknown>;
  readonly #scope: RecordScope;
  readonly #key: KeySelector<unknown, unknown>;
  readonly #shared: ByteWriter;
  #turn: number;
  #hasEnded = false;

  constructor(options: RecordWriterOptions) {
    this.#options = options;
    this.#channels = options.channels;
    this.#serde = options.serde;
    this.#scope = options.scope;
    this.#key = options.key ?? noKey;
    this.#shared = new ByteWriter(options.exchange === 'broadcast' ? BATCH_BYTES * 2 : 0);
    this.#turn = options.firstChannel % options.channels.length;
  }

  collect(value: unknown, timestamp: number): void {
    const bytes = this.#serialise(value);
    this.recordsOut++;
    this.bytesOut += bytes.length;
    switch (this.#options.exchange) {
      case 'hash':
        return this.#writeTo(this.#subtaskOf(value), bytes, timestamp);
      case 'forward':
        return this.#writeTo(0, bytes, timestamp);
      case 'rebalance':
        this.#turn = (this.#turn + 1) % this.#channels.length;
        return this.#writeTo(this.#turn, bytes, timestamp);
      case 'broadcast':
        return this.#writeToAll(bytes, timestamp);
      default:
        return unreachable(this.#options.exchange, 'the exchange of an edge');
    }
  }

  emitWatermark(timestamp: number): void {
    this.#flushShared();
    for (const channel of this.#channels) channel.emitWatermark(timestamp);
  }

  emitStatus(status: WatermarkStatus): void {
    this.#flushShared();
    for (const channel of this.#channels) channel.emitStatus(status === 'ACTIVE');
  }

  /** Behind the end nobody reads: the consumers then take part in a checkpoint without the barrier. */
  emitBarrier(checkpointId: number): void {
    if (this.#hasEnded) return;
    this.#flushShared();
    for (const channel of this.#channels) channel.emitBarrier(checkpointId);
  }

  emitEndOfInput(): void {
    this.#hasEnded = true;
    this.#flushShared();
    for (const channel of this.#channels) channel.emitEndOfInput();
  }

  /** Hands every batch to its ring and makes it visible. */
  flush(): void {
    this.#flushShared();
    for (const channel of this.#channels) channel.flush();
  }

  get hasOverflow(): boolean {
    for (const channel of this.#channels) if (channel.hasOverflow) return true;
    return false;
  }

  /** @returns whether nothing waits for room any more */
  drainOverflow(): boolean {
    let isEmpty = true;
    for (const channel of this.#channels) isEmpty = (!channel.hasOverflow || channel.drainOverflow()) && isEmpty;
    return isEmpty;
  }

  #serialise(value: unknown): Uint8Array {
    try {
      return this.#serde.serialise(value);
    } catch (cause) {
      const { operatorName } = this.#options;
      const text = cause instanceof Error ? cause.message : String(cause);
      throw new MillraceError(
        'MILLRACE_SERIALISATION_FAILED',
        `operator "${operatorName}" emitted a record that cannot be sent: ${text}`,
        {
          details: { operator: operatorName, ...(MillraceError.is(cause) ? cause.details : {}) },
          cause,
        },
      );
    }
  }

  #subtaskOf(value: unknown): number {
    const shard = shardOfKeyGroup(keyGroupOf(this.#key(value)), this.#options.shardCount);
    return subtaskOfShard(shard, this.#channels.length);
  }

  #writeTo(subtask: number, bytes: Uint8Array, timestamp: number): void {
    const channel = this.#channels[subtask] as ChannelOutput;
    encodeRecord(channel.batch, bytes, timestamp, this.#scope);
    channel.recordWritten();
  }

  /** Encoded once; each channel copies the batch. */
  #writeToAll(bytes: Uint8Array, timestamp: number): void {
    encodeRecord(this.#shared, bytes, timestamp, this.#scope);
    if (this.#shared.length >= BATCH_BYTES) this.#flushShared();
  }

  #flushShared(): void {
    if (this.#shared.length === 0) return;
    for (const channel of this.#channels) channel.writeFrame(RECORD_BATCH, this.#shared.bytes, 0, this.#shared.length);
    this.#shared.reset();
  }
}

function noKey(): never {
  throw new TypeError('an edge without a key selector was asked for a key');
}
