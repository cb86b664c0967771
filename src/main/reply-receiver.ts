import { CONTENT_TYPE_HEADER, CORRELATION_ID_HEADER, STATUS_HEADER } from '../api/internal/request-headers.js';
import { headerTextOf } from '../api/internal/record-block.js';
import type { CorrelationId } from '../base/ids.js';
import type { TopicPort, TopicReader, TopicRecord } from '../connectors/topic.js';
import type { Reply } from './job-control.js';

/** Replies of earlier runs that are read again at start, so that their results can still be fetched. */
const EARLIER_REPLIES_MAX = 10_000;
const POLL_RECORDS_MAX = 512;

/**
 * Reads this instance's partition of the response topic and hands every reply to the gateway.
 *
 * Reads what is appended, not only what is durable: the request behind a reply is durable already, so a reply that is lost
 * with the machine is given again by the replay.
 *
 * Thread: main.
 */
export class ReplyReceiver {
  readonly #port: TopicPort;
  readonly #topic: string;
  readonly #partition: number;
  readonly #startOffset: number;
  readonly #onFailure: (error: Error) => void;
  #receive: (reply: Reply) => void = () => undefined;
  #reader: TopicReader | null = null;

  private constructor(
    port: TopicPort,
    place: { topic: string; partition: number; startOffset: number },
    onFailure: (error: Error) => void,
  ) {
    this.#port = port;
    this.#topic = place.topic;
    this.#partition = place.partition;
    this.#startOffset = place.startOffset;
    this.#onFailure = onFailure;
  }

  /** Resolves where to read from. Must come before the first request: a reply to it then cannot lie before that place. */
  static async create(
    port: TopicPort,
    place: { topic: string; partition: number },
    onFailure: (error: Error) => void,
  ): Promise<ReplyReceiver> {
    const { beginOffsets, endOffsets } = await port.describe(place.topic);
    const begin = beginOffsets[place.partition] ?? 0;
    const startOffset = Math.max(begin, (endOffsets[place.partition] ?? 0) - EARLIER_REPLIES_MAX);
    return new ReplyReceiver(port, { ...place, startOffset }, onFailure);
  }

  /** Starts to hand over replies. */
  start(receive: (reply: Reply) => void): void {
    this.#receive = receive;
    this.#reader = this.#port.openReader(this.#topic, {
      positions: new Map([[this.#partition, this.#startOffset]]),
      visibility: 'appended',
      onReadable: () => this.#pump(),
    });
    this.#pump();
  }

  stop(): void {
    this.#reader?.close();
    this.#reader = null;
  }

  #pump(): void {
    try {
      while (this.#reader !== null && this.#reader.poll(POLL_RECORDS_MAX, this.#take) > 0);
    } catch (error) {
      this.stop();
      this.#onFailure(error as Error);
    }
  }

  readonly #take = (record: TopicRecord): boolean => {
    const correlationId = headerTextOf(record, CORRELATION_ID_HEADER, 'utf8') ?? '';
    const status = Number(headerTextOf(record, STATUS_HEADER, 'latin1') ?? 200);
    const contentType = headerTextOf(record, CONTENT_TYPE_HEADER, 'latin1') ?? 'application/json';
    // A record without a correlation id was written by someone who knows no request: there is nobody to tell.
    if (correlationId !== '') {
      this.#receive({
        correlationId: correlationId as CorrelationId,
        status: Number.isInteger(status) && status >= 200 && status <= 599 ? status : 500,
        contentType,
        body: record.value ?? NO_BODY,
        timestamp: record.timestamp,
      });
    }
    return true;
  };
}

const NO_BODY = new Uint8Array(0);
