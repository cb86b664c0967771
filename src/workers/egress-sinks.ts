import type { RespondSinkSpec, TopicSinkSpec } from '../api/internal/operator-spec.js';
import { keyToBytes } from '../api/internal/key-bytes.js';
import type { RecordHeader } from '../api/internal/record-block.js';
import { TRACEPARENT_HEADER } from '../api/internal/request-headers.js';
import { NO_TIMESTAMP } from '../api/timer-service.js';
import type { OperatorContext, StreamOperator } from '../operators/operator.js';
import { ANY_PARTITION, encodeTopicRecord } from '../protocol/topic-record-codec.js';
import type { ChannelOutput } from '../protocol/channel-output.js';
import type { OutputSequence } from './output-sequence.js';

const NO_HEADERS: readonly RecordHeader[] = [];

/**
 * The worker's part of a topic sink: serialises key and value and sends them to main, which appends them to the topic.
 * Main chooses the topic partition, from the key's bytes or in turn.
 */
export class TopicSinkOperator implements StreamOperator<unknown, never> {
  readonly #spec: TopicSinkSpec;
  readonly #sinkIndex: number;
  readonly #egress: ChannelOutput;
  readonly #sequence: OutputSequence | null;
  #context: OperatorContext<never> | null = null;

  /** @param sequence numbers the records; `null` where nobody asks for that */
  constructor(
    spec: TopicSinkSpec,
    { sinkIndex, egress, sequence }: { sinkIndex: number; egress: ChannelOutput; sequence: OutputSequence | null },
  ) {
    this.#spec = spec;
    this.#sinkIndex = sinkIndex;
    this.#egress = egress;
    this.#sequence = sequence;
  }

  open(context: OperatorContext<never>): void {
    this.#context = context;
  }

  processElement(value: unknown, timestamp: number): void {
    const { key, serde } = this.#spec;
    encodeTopicRecord(this.#egress.batch, {
      partition: ANY_PARTITION,
      offset: this.#sinkIndex,
      timestamp: timestamp === NO_TIMESTAMP ? (this.#context?.processingTime.now() ?? 0) : timestamp,
      key: key === null ? null : keyToBytes(key(value)),
      value: serde.serialise(value),
      headers: this.#headers(),
    });
    this.#egress.recordWritten();
  }

  /** A trace of the record's request goes on wherever the topic is read. */
  #headers(): readonly RecordHeader[] {
    const headers = this.#sequence === null ? NO_HEADERS : this.#sequence.next();
    const trace = this.#context?.scope.request?.trace;
    return trace === undefined ? headers : [...headers, [TRACEPARENT_HEADER, Buffer.from(trace)]];
  }

  processWatermark(): void {
    // A topic carries no watermarks: its readers make their own.
  }

  processStatus(): void {
    // As above.
  }

  close(): void {
    this.#context = null;
  }
}

/** Answers the request that the record came from with the record's value. Records without a request are counted and dropped. */
export class RespondSinkOperator implements StreamOperator<unknown, never> {
  readonly #status: RespondSinkSpec['status'];
  #context: OperatorContext<never> | null = null;

  constructor(spec: RespondSinkSpec) {
    this.#status = spec.status;
  }

  open(context: OperatorContext<never>): void {
    this.#context = context;
  }

  processElement(value: unknown): void {
    const context = this.#context;
    if (context === null) return;
    const request = context.scope.request;
    if (request === null) return;
    context.responder.respond(request, value, typeof this.#status === 'number' ? this.#status : this.#status(value));
  }

  processWatermark(): void {
    // Nothing follows.
  }

  processStatus(): void {
    // Nothing follows.
  }

  close(): void {
    this.#context = null;
  }
}
