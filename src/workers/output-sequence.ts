import { type RecordHeader } from '../api/internal/record-block.js';
import { SEQUENCE_HEADER } from '../api/internal/request-headers.js';
import type { RecordScope } from '../operators/operator.js';
import type { TopicRecordReader } from './input-channel.js';

const NO_HEADERS: readonly RecordHeader[] = [];
/** Three numbers and their separators. */
const NUMBERS_BYTES_MAX = 64;

/**
 * Numbers the output of one sink by the record that it was made of: `topic:partition:offset:count`, where `count` tells apart
 * what one record gave. A record that is processed again after a failure gives the same numbers again, by which readers drop
 * repeats.
 *
 * Only for a sink in one chain with a source that main feeds: there the numbers of a topic partition grow. What a timer emits
 * has none, as it was made of no single record.
 */
export class OutputSequence {
  readonly #scope: RecordScope;
  readonly #value: Buffer;
  readonly #prefixBytes: number;
  #reader: TopicRecordReader | null = null;
  #partition = -1;
  #offset = -1;
  #count = 0;

  constructor(topic: string, scope: RecordScope) {
    this.#scope = scope;
    this.#prefixBytes = Buffer.byteLength(topic) + 1;
    this.#value = Buffer.alloc(this.#prefixBytes + NUMBERS_BYTES_MAX);
    this.#value.write(`${topic}:`);
  }

  /** What the task reads. */
  follow(reader: TopicRecordReader | null): void {
    this.#reader = reader;
  }

  /** Headers of the next record; their memory is reused by the one after. */
  next(): readonly RecordHeader[] {
    const reader = this.#reader;
    if (reader === null || this.#scope.originSource < 0) return NO_HEADERS;
    const { partition, offset } = reader;
    if (partition === this.#partition && offset === this.#offset) this.#count++;
    else {
      this.#partition = partition;
      this.#offset = offset;
      this.#count = 0;
    }
    const text = `${String(partition)}:${String(offset)}:${String(this.#count)}`;
    const end = this.#prefixBytes + this.#value.write(text, this.#prefixBytes, 'latin1');
    return [[SEQUENCE_HEADER, this.#value.subarray(0, end)]];
  }
}
