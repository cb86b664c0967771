import { keyGroupOf } from '../api/internal/key-bytes.js';
import { shardOfKeyGroup, subtaskOfShard } from '../api/internal/key-groups.js';
import type { KeySelector } from '../api/functions.js';
import type { Serde } from '../api/serde.js';
import { MillraceError } from '../base/errors.js';
import { unreachable } from '../base/invariant.js';
import type { ExchangeKind } from '../graph/execution-plan.js';
import type { RecordScope, WatermarkStatus } from '../operators/operator.js';
import { ByteWriter } from '../protocol/byte-writer.js';
import { encodeNumberRecord, encodeRecord, encodeShapedRecord } from '../protocol/exchange-codec.js';
import { NamedShapes, ObjectShapeWriter } from '../protocol/object-shape-writer.js';
import { RECORD_BATCH } from '../protocol/stream-element.js';
import { BATCH_BYTES, ChannelOutput } from '../protocol/channel-output.js';
import { LocalChannel } from './local-channel.js';

export interface RecordWriterOptions {
  readonly exchange: ExchangeKind;
  /** One per consumer subtask, by subtask; for `forward` only the one of the same subtask. */
  readonly channels: readonly (ChannelOutput | LocalChannel)[];
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
 * The end of a chain towards another vertex: deals records out to the channels of one edge. Those to another thread are
 * serialised, and wait in a batch per channel until it is full or the task's step ends ({@link flush}); those to a task of
 * this thread are handed over as they are.
 */
export class RecordWriter {
  /** Records, and bytes of those that were serialised, so far: for the task's counters. */
  recordsOut = 0;
  bytesOut = 0;
  readonly #options: RecordWriterOptions;
  readonly #channels: readonly (ChannelOutput | LocalChannel)[];
  /** By subtask: the same channel where it is a local one, else `null`. */
  readonly #locals: readonly (LocalChannel | null)[];
  /** Those to other threads. */
  readonly #remotes: readonly ChannelOutput[];
  readonly #serde: Serde<unknown>;
  readonly #scope: RecordScope;
  readonly #key: KeySelector<unknown, unknown>;
  readonly #shared: ByteWriter;
  readonly #shapes: ObjectShapeWriter;
  /** By subtask: what its channel has named. The one behind them belongs to {@link #shared}. */
  readonly #namedShapes: readonly NamedShapes[];
  #turn: number;
  #hasEnded = false;

  constructor(options: RecordWriterOptions) {
    this.#options = options;
    this.#channels = options.channels;
    this.#locals = options.channels.map((channel) => (channel instanceof LocalChannel ? channel : null));
    this.#remotes = options.channels.filter((channel) => channel instanceof ChannelOutput);
    this.#serde = options.serde;
    this.#scope = options.scope;
    this.#key = options.key ?? noKey;
    this.#shared = new ByteWriter(options.exchange === 'broadcast' ? BATCH_BYTES * 2 : 0);
    this.#shapes = new ObjectShapeWriter(options.serde, this.#shared);
    this.#namedShapes = [...options.channels.map(() => new NamedShapes()), new NamedShapes()];
    this.#turn = options.firstChannel % options.channels.length;
  }

  collect(value: unknown, timestamp: number): void {
    switch (this.#options.exchange) {
      case 'hash':
        // With one consumer the key decides nothing; it is for the consumer alone to ask.
        return this.#writeTo(this.#channels.length === 1 ? 0 : this.#subtaskOf(value), value, timestamp);
      case 'forward':
        return this.#writeTo(0, value, timestamp);
      case 'rebalance':
        this.#turn = (this.#turn + 1) % this.#channels.length;
        return this.#writeTo(this.#turn, value, timestamp);
      case 'broadcast':
        return this.#writeToAll(value, timestamp);
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

  #writeTo(subtask: number, value: unknown, timestamp: number): void {
    const local = this.#locals[subtask] as LocalChannel | null;
    if (local !== null) {
      local.write(value, timestamp, this.#scope);
    } else {
      const channel = this.#channels[subtask] as ChannelOutput;
      this.#encode(channel.batch, subtask, value, timestamp);
      channel.recordWritten();
    }
    this.recordsOut++;
  }

  /** Encoded once; each channel to another thread copies the batch. */
  #writeToAll(value: unknown, timestamp: number): void {
    this.recordsOut++;
    for (const local of this.#locals) local?.write(value, timestamp, this.#scope);
    if (this.#remotes.length === 0) return;
    this.#encode(this.#shared, this.#channels.length, value, timestamp);
    if (this.#shared.length >= BATCH_BYTES) this.#flushShared();
  }

  /** @param reader whose reader learns of new shapes: a subtask, or the number of them for all */
  #encode(batch: ByteWriter, reader: number, value: unknown, timestamp: number): void {
    if (typeof value === 'number') {
      this.bytesOut += encodeNumberRecord(batch, value, timestamp, this.#scope);
      return;
    }
    const shapedBytes = this.#encodeShaped(batch, reader, value, timestamp);
    if (shapedBytes >= 0) {
      this.bytesOut += shapedBytes;
      return;
    }
    const bytes = this.#serialise(value);
    encodeRecord(batch, bytes, timestamp, this.#scope);
    this.bytesOut += bytes.length;
  }

  /** @returns -1 for what is left to the serialiser, which finds the words for a value that has no form at all */
  #encodeShaped(batch: ByteWriter, reader: number, value: unknown, timestamp: number): number {
    try {
      const named = this.#namedShapes[reader] as NamedShapes;
      return encodeShapedRecord(batch, value, this.#shapes, named, timestamp, this.#scope);
    } catch {
      return -1;
    }
  }

  #flushShared(): void {
    if (this.#shared.length === 0) return;
    for (const channel of this.#remotes) channel.writeFrame(RECORD_BATCH, this.#shared.bytes, 0, this.#shared.length);
    this.#shared.reset();
  }
}

function noKey(): never {
  throw new TypeError('an edge without a key selector was asked for a key');
}
