import type { Serde } from '../api/serde.js';
import { RecordCursor } from '../protocol/exchange-codec.js';
import type { ChannelReader } from '../shared-memory/channel-reader.js';
import type { TopicSourceReader } from './topic-source-reader.js';

/**
 * One input channel of a task: the ring, and how its batches are decoded. Which one of the two decoders is there depends on
 * the producer: main sends topic records, a task sends records of an exchange.
 */
export class InputChannel {
  readonly reader: ChannelReader;
  /** 1 or 2: which input of the head operator. */
  readonly input: 1 | 2;
  /** Place among the channels of the same input: the watermark valve's number. */
  readonly indexInInput: number;
  readonly serde: Serde<unknown>;
  readonly cursor = new RecordCursor();
  readonly topicReader: TopicSourceReader | null;
  /** No frame follows. */
  hasEnded = false;
  /** Its barrier came; the others' have not. */
  isBlocked = false;

  constructor(options: {
    reader: ChannelReader;
    input: 1 | 2;
    indexInInput: number;
    serde: Serde<unknown>;
    topicReader: TopicSourceReader | null;
  }) {
    this.reader = options.reader;
    this.input = options.input;
    this.indexInInput = options.indexInInput;
    this.serde = options.serde;
    this.topicReader = options.topicReader;
  }

  /** Whether the task may take a frame from here now. */
  isReadable(): boolean {
    return !this.isBlocked && !this.hasEnded && !this.reader.isEmpty();
  }
}
