import type { Serde } from '../api/serde.js';
import { RecordCursor } from '../protocol/exchange-codec.js';
import type { ChannelReader } from '../shared-memory/channel-reader.js';
import type { LocalChannel } from './local-channel.js';
import type { TopicSourceReader } from './topic-source-reader.js';

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
  readonly serde: Serde<unknown>;
  readonly cursor = new RecordCursor();
  readonly topicReader: TopicSourceReader | null;
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
    topicReader: TopicSourceReader | null;
  }) {
    this.source = options.source;
    this.channel = options.channel;
    this.input = options.input;
    this.indexInInput = options.indexInInput;
    this.serde = options.serde;
    this.topicReader = options.topicReader;
  }

  /** Whether the task may take a frame from here now. */
  isReadable(): boolean {
    return !this.isBlocked && !this.hasEnded && !this.source.isEmpty();
  }
}
