import type {
  AppendListener,
  ProducerRecord,
  ReadVisibility,
  RecordHeader,
  TopicPort,
  TopicReader,
  TopicRecord,
} from '../../src/connectors/topic.js';

/** A record as a test keeps it: copied out of the reader's memory. */
export interface KeptRecord {
  readonly partition: number;
  readonly offset: number;
  readonly timestamp: number;
  readonly key: string | null;
  readonly value: string | null;
  readonly headers: readonly (readonly [string, string])[];
}

/** A record with everything at rest but what the test is about. */
export function producerRecord(fields: Partial<ProducerRecord> = {}): ProducerRecord {
  return { partition: 0, key: null, value: null, headers: [], timestamp: 0, ...fields };
}

export function textRecord(partition: number, value: string): ProducerRecord {
  return producerRecord({ partition, value: Buffer.from(value) });
}

/** Appends and resolves with the offset once the record is durable. */
export function appendDurably(port: TopicPort, topic: string, record: ProducerRecord): Promise<number> {
  return new Promise((resolve, reject) => {
    const listener: AppendListener = { onAppended: resolve, onAppendFailed: reject };
    port.append(topic, record, listener);
  });
}

export function keep(record: TopicRecord): KeptRecord {
  const { partition, offset, timestamp, key, value, headers } = record;
  return { partition, offset, timestamp, key: text(key), value: text(value), headers: headers.map(keepHeader) };
}

function keepHeader([name, value]: RecordHeader): readonly [string, string] {
  return [name, Buffer.from(value).toString('latin1')];
}

function text(bytes: Uint8Array | null): string | null {
  return bytes === null ? null : Buffer.from(bytes).toString('latin1');
}

/** Positions for a reader of the partitions 0 … count - 1, all at the same offset. */
export function positionsFrom(offset: number, partitionCount: number): ReadonlyMap<number, number> {
  return new Map(Array.from({ length: partitionCount }, (_, partition) => [partition, offset]));
}

/**
 * A reader that keeps what it reads, and is driven by `onReadable` alone: a wake-up that does not come is a test that times
 * out.
 */
export class TopicClient {
  readonly records: KeptRecord[] = [];
  readonly reader: TopicReader;
  readonly #maxRecords: number;
  #waiting: { count: number; resolve: () => void; reject: (error: unknown) => void } | null = null;

  constructor(
    port: TopicPort,
    topic: string,
    positions: ReadonlyMap<number, number>,
    options: { readonly visibility?: ReadVisibility; readonly maxRecords?: number } = {},
  ) {
    this.#maxRecords = options.maxRecords ?? 100;
    this.reader = port.openReader(topic, {
      positions,
      visibility: options.visibility ?? 'durable',
      onReadable: () => {
        if (this.#waiting !== null) this.#drain();
      },
    });
  }

  /** Resolves when so many records were read in all; rejects with what `poll` threw. */
  async read(count: number): Promise<readonly KeptRecord[]> {
    await new Promise<void>((resolve, reject) => {
      this.#waiting = { count, resolve, reject };
      this.#drain();
    });
    return this.records;
  }

  get values(): readonly (string | null)[] {
    return this.records.map((record) => record.value);
  }

  #drain(): void {
    try {
      if (!this.#fill(this.#waiting?.count ?? 0)) return;
      this.#waiting?.resolve();
    } catch (error) {
      this.#waiting?.reject(error);
    }
    this.#waiting = null;
  }

  /** @returns whether so many records have been read */
  #fill(count: number): boolean {
    while (this.records.length < count) {
      const accepted = this.reader.poll(Math.min(this.#maxRecords, count - this.records.length), (record) => {
        this.records.push(keep(record));
        return true;
      });
      if (accepted === 0) return false;
    }
    return true;
  }
}

/** Resolves with what the promise was rejected with; fails when it was fulfilled. */
export async function rejection(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => {
      throw new Error('expected a rejection');
    },
    (error: unknown) => error,
  );
}
