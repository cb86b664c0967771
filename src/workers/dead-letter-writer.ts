import type { RecordHeader } from '../api/internal/record-block.js';
import { REPLY_TO_HEADER } from '../api/internal/request-headers.js';
import type { Serde } from '../api/serde.js';
import { NO_TIMESTAMP } from '../api/timer-service.js';
import type { Clock } from '../base/clock.js';
import type { MillraceError } from '../base/errors.js';
import type { PlanTopicSource } from '../graph/execution-plan.js';
import type { RecordScope } from '../operators/operator.js';
import type { ChannelOutput } from '../protocol/channel-output.js';
import { ANY_PARTITION, encodeTopicRecord, type TopicRecordCursor } from '../protocol/topic-record-codec.js';

/** What every header of a dead letter begins with that says what went wrong. */
const ERROR_HEADER_PREFIX = 'millrace-error-';
/** Of a message, so that a letter is not much larger than its record. */
const MESSAGE_CHARACTERS_MAX = 1024;

/**
 * - `source`: the bytes of the source topic's record.
 * - `msgpack`: what a task was given by another one, as it crosses between two threads.
 * - `none`: such a value that has no serialised form.
 */
type ValueFormat = 'source' | 'msgpack' | 'none';

export interface DeadLetterOptions {
  readonly egress: ChannelOutput;
  /** The plan's topic sink for dead letters. */
  readonly sink: number;
  readonly topicSources: readonly PlanTopicSource[];
  readonly scope: RecordScope;
  readonly serde: Serde<unknown>;
  readonly clock: Clock;
  /** Named where an error does not say which operator it came from: the uid of the task's first one. */
  readonly headId: string;
}

interface LetterContent {
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers: readonly RecordHeader[];
  /** Of the record; `NO_TIMESTAMP` when it has none. */
  readonly timestamp: number;
  readonly format: ValueFormat;
}

/**
 * Sends records whose processing failed to main, which appends them to the job's topic of dead letters.
 *
 * One per subtask, on the subtask's egress channel: a letter leaves before the barrier that follows its record, and that
 * barrier is acknowledged when the letter is durable.
 */
export class DeadLetterWriter {
  readonly #options: DeadLetterOptions;

  constructor(options: DeadLetterOptions) {
    this.#options = options;
  }

  /**
   * A record of a source topic, byte for byte. Its headers stay but two kinds: where to send an answer, since its caller has
   * one; and what an earlier failure left, if it was a dead letter itself.
   */
  writeSourceRecord(error: MillraceError, { key, value, timestamp, headers }: TopicRecordCursor): void {
    const kept = headers.filter(([name]) => name !== REPLY_TO_HEADER && !name.startsWith(ERROR_HEADER_PREFIX));
    this.#write(error, { key, value, timestamp, headers: kept, format: 'source' });
  }

  /** A record that crossed from another thread. */
  writeSerialised(error: MillraceError, value: Uint8Array, timestamp: number): void {
    this.#write(error, { key: null, value, timestamp, headers: [], format: 'msgpack' });
  }

  /** A record that was handed over as it is. */
  writeValue(error: MillraceError, value: unknown, timestamp: number): void {
    const bytes = this.#serialised(value);
    this.#write(error, {
      key: null,
      value: bytes,
      timestamp,
      headers: [],
      format: bytes === null ? 'none' : 'msgpack',
    });
  }

  /** Nothing obliges a value to have a serialised form that never leaves its thread: the letter then tells its origin only. */
  #serialised(value: unknown): Uint8Array | null {
    try {
      return this.#options.serde.serialise(value);
    } catch {
      return null;
    }
  }

  #write(error: MillraceError, { key, value, headers, timestamp, format }: LetterContent): void {
    const { egress, sink, clock } = this.#options;
    const now = clock.now();
    encodeTopicRecord(egress.batch, {
      partition: ANY_PARTITION,
      offset: sink,
      timestamp: timestamp === NO_TIMESTAMP ? now : timestamp,
      key,
      value,
      headers: [...headers, ...this.#errorHeaders(error, now, format)],
    });
    egress.recordWritten();
  }

  #errorHeaders(error: MillraceError, now: number, format: ValueFormat): RecordHeader[] {
    const { scope, topicSources, headId } = this.#options;
    const operator = error.details?.['operator'];
    const headers = [
      errorHeader('code', error.code),
      errorHeader('message', error.message.slice(0, MESSAGE_CHARACTERS_MAX)),
      errorHeader('operator', typeof operator === 'string' ? operator : headId),
      errorHeader('timestamp', String(now)),
      errorHeader('value', format),
    ];
    const source = scope.originPartition < 0 ? undefined : topicSources[scope.originSource];
    if (source === undefined) return headers;
    return [
      ...headers,
      errorHeader('topic', source.topic),
      errorHeader('partition', String(scope.originPartition)),
      errorHeader('offset', String(scope.originOffset)),
    ];
  }
}

function errorHeader(name: string, text: string): RecordHeader {
  return [`${ERROR_HEADER_PREFIX}${name}`, Buffer.from(text)];
}
