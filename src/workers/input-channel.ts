import type { Serde } from '../api/serde.js';
import { RecordCursor } from '../protocol/exchange-codec.js';
import { ObjectShapeReader } from '../protocol/object-shape-reader.js';
import type { ChannelReader } from '../shared-memory/channel-reader.js';
import type { LocalChannel } from './local-channel.js';
import type { MillraceError } from '../base/errors.js';
import type { DeadLetterWriter } from './dead-letter-writer.js';

/** Decodes the topic records that main feeds to a source. */
export interface TopicRecordReader {
  /** Of the record that {@link advance} stands on. */
  readonly timestamp: number;
  readonly value: unknown;
  /** Where it lies in the topic. */
  readonly partition: number;
  readonly offset: number;
  open(frame: Buffer, start: number, end: number): void;
  /**
   * Moves to the next record of the frame that is to be processed, and sets the record scope; false at its end.
   *
   * @throws MillraceError `MILLRACE_DESERIALISATION_FAILED`: the record is skipped, the next call goes on behind it.
   */
  advance(): boolean;
  /** Makes a dead letter of the record that was taken last, also when it could not be decoded. */
  keep(failure: MillraceError, deadLetters: DeadLetterWriter): void;
}

/**
 * One input channel of a task. From another thread: the ring, and how its batches are decoded. Which one of the two decoders
 * is there depends on the producer: main sends topic records, a task sends records of an exchange. From a task of this
 * thread: the queue of elements as they are.
 */
export class InputChannel {
  readonly source: ChannelReader | LocalChannel;
  /** Its index in the execution plan. */
  readonly channel: number;
  /** 1 or 2: which input of the head operator. */
  readonly input: 1 | 2;
  /** Place among the channels of the same input: the watermark valve's number. */
  readonly indexInInput: number;
  readonly cursor = new RecordCursor();
  readonly #serde: Serde<unknown>;
  readonly #shapes: ObjectShapeReader;
  readonly topicReader: TopicRecordReader | null;
  /** No frame follows. */
  hasEnded = false;
  /** Its barrier came; the others' have not. */
  isBlocked = false;

  constructor(options: {
    source: ChannelReader | LocalChannel;
    channel: number;
    input: 1 | 2;
    indexInInput: number;
    serde: Serde<unknown>;
    topicReader: TopicRecordReader | null;
  }) {
    this.source = options.source;
    this.channel = options.channel;
    this.input = options.input;
    this.indexInInput = options.indexInInput;
    this.#serde = options.serde;
    this.#shapes = new ObjectShapeReader(options.serde);
    this.topicReader = options.topicReader;
  }

  /** The value of the record that the cursor stands on, within the frame that it walks. */
  readValue(frame: Buffer): unknown {
    const { cursor } = this;
    if (cursor.isNumber) return cursor.number;
    const { valueStart, valueEnd } = cursor;
    if (cursor.isShaped) return this.#shapes.read(frame, valueStart, valueEnd);
    return this.#serde.deserialise(frame.subarray(valueStart, valueEnd));
  }

  /** @returns whether everything that waits here at this moment has been taken, whenever it is asked later */
  watch(): () => boolean {
    const { source } = this;
    const mark = source.mark();
    return () => source.hasPassed(mark);
  }

  /** Whether the task may take a frame from here now. */
  isReadable(): boolean {
    return !this.isBlocked && !this.hasEnded && !this.source.isEmpty();
  }
}
