import { DEADLINE_HEADER } from '../api/internal/request-headers.js';
import { headerTextOf } from '../api/internal/record-block.js';
import type { Clock } from '../base/clock.js';
import type { TopicPort, TopicRecord } from '../connectors/topic.js';

/**
 * Drops requests whose deadline has passed before they run, without making a replay differ from the first run.
 *
 * A reply leaves before the checkpoint that covers it because a replay of the input gives the same reply again. So whether
 * a record was dropped must be as durable as the record: each drop is written to a journal topic, and records behind it in
 * the same channel wait until the journal is durable. A record that was there when this process started may have run
 * before, so only the journal decides about it, never the clock.
 *
 * Thread: main. One instance per request source.
 */
export class ExpiredRequests {
  readonly #port: TopicPort;
  readonly #journalTopic: string;
  readonly #clock: Clock;
  /** First offset per topic partition that was appended by this process. */
  readonly #firstOwnOffsets: readonly number[];
  readonly #dropped: ReadonlySet<string>;

  private constructor(
    port: TopicPort,
    journalTopic: string,
    clock: Clock,
    firstOwnOffsets: readonly number[],
    dropped: ReadonlySet<string>,
  ) {
    this.#port = port;
    this.#journalTopic = journalTopic;
    this.#clock = clock;
    this.#firstOwnOffsets = firstOwnOffsets;
    this.#dropped = dropped;
  }

  /** Creates the journal of a request topic, or reads what an earlier run wrote to it. Call before anything is appended. */
  static async open(port: TopicPort, requestTopic: string, clock: Clock): Promise<ExpiredRequests> {
    const { partitions, retentionMs, retentionBytes, endOffsets } = await port.describe(requestTopic);
    const journalTopic = `${requestTopic}.expired`;
    await port.createTopic(journalTopic, { partitions, retentionMs, retentionBytes });
    const dropped = await readJournal(port, journalTopic);
    return new ExpiredRequests(port, journalTopic, clock, endOffsets, dropped);
  }

  /** Whether an earlier run dropped this record. */
  wasDropped(record: TopicRecord): boolean {
    return this.#dropped.size > 0 && this.#dropped.has(entryName(record.partition, record.offset));
  }

  /** Whether nobody waits for this record any more, and it surely has not run yet. */
  isExpired(record: TopicRecord): boolean {
    if (record.offset < (this.#firstOwnOffsets[record.partition] ?? Infinity)) return false;
    const deadline = headerTextOf(record, DEADLINE_HEADER, 'latin1');
    return deadline !== null && this.#clock.now() > Number(deadline);
  }

  /** Writes a drop to the journal. `onSettled` is called when it is durable, or with the error when it is not. */
  drop(record: TopicRecord, onSettled: (error: Error | null) => void): void {
    const entry = {
      partition: record.partition,
      key: null,
      value: Buffer.from(String(record.offset)),
      headers: [],
      timestamp: this.#clock.now(),
    };
    this.#port.append(this.#journalTopic, entry, {
      onAppended: () => onSettled(null),
      onAppendFailed: onSettled,
    });
  }
}

async function readJournal(port: TopicPort, topic: string): Promise<Set<string>> {
  const { beginOffsets, endOffsets } = await port.describe(topic);
  const dropped = new Set<string>();
  const positions = new Map<number, number>();
  let missing = 0;
  for (const [partition, begin] of beginOffsets.entries()) {
    positions.set(partition, begin);
    missing += (endOffsets[partition] ?? begin) - begin;
  }
  if (missing === 0) return dropped;
  await new Promise<void>((resolve, reject) => {
    const pump = (): void => {
      try {
        while (missing > 0) {
          const read = reader.poll(1024, (record) => {
            dropped.add(entryName(record.partition, Number(asciiText(record.value ?? new Uint8Array(0)))));
            return true;
          });
          if (read === 0) return;
          missing -= read;
        }
        reader.close();
        resolve();
      } catch (error) {
        reject(error instanceof Error ? error : new Error(String(error)));
      }
    };
    const reader = port.openReader(topic, { positions, visibility: 'durable', onReadable: pump });
    pump();
  });
  return dropped;
}

function entryName(partition: number, offset: number): string {
  return `${String(partition)}:${String(offset)}`;
}

function asciiText(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}
