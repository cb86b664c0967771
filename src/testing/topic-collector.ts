import type { TopicSinkSpec } from '../api/internal/operator-spec.js';
import { NO_TIMESTAMP } from '../api/timer-service.js';
import type { StreamOperator } from '../operators/operator.js';

/** What a topic sink has written. @public */
export interface CollectedRecord {
  /** What the sink's key function gave; `undefined` when the sink has none. */
  readonly key: unknown;
  /** As it would be read: serialised and deserialised once. */
  readonly value: unknown;
  /** Event timestamp in milliseconds; `undefined` when the record has none. */
  readonly timestamp: number | undefined;
}

/** A topic sink that keeps its records in memory. */
export class TopicCollector implements StreamOperator<unknown, never> {
  readonly #spec: TopicSinkSpec;
  readonly #records: CollectedRecord[];

  constructor(spec: TopicSinkSpec, records: CollectedRecord[]) {
    this.#spec = spec;
    this.#records = records;
  }

  open(): void {
    // Nothing to open: the records are the test's.
  }

  processElement(value: unknown, timestamp: number): void {
    const { key, serde } = this.#spec;
    this.#records.push({
      key: key === null ? undefined : key(value),
      value: serde.deserialise(Uint8Array.from(serde.serialise(value))),
      timestamp: timestamp === NO_TIMESTAMP ? undefined : timestamp,
    });
  }

  processWatermark(): void {
    // A topic carries no watermarks.
  }

  processStatus(): void {
    // As above.
  }

  close(): void {
    // Nothing is open.
  }
}
