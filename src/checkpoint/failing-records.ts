/**
 * Records that make the job fail, and how often each has, in a row: so that one of them cannot restart the job for ever.
 *
 * A record that has failed as often as the limit says is given up: a job that keeps dead letters sets it aside in its next
 * attempt, any other one ends. A record is forgotten once a completed checkpoint lies behind it: it has succeeded, or was set
 * aside. The counts are kept in a file, so that they go on when the process is started again.
 *
 * Failures without a record at hand are not counted: those of timers, of outcomes of asynchronous requests, of records that
 * come from no topic, and of what takes the whole thread with it.
 *
 * Thread: main.
 */
import { inspect } from 'node:util';
import { MillraceError } from '../base/errors.js';
import type { Logger } from '../base/log.js';
import type { CheckpointManifest } from './checkpoint-manifest.js';
import { jsonReader } from './json-reader.js';
import { originName, type RecordOrigin } from '../protocol/record-origin.js';
import { readAtomicFile, writeAtomicFile } from '../storage/atomic-file.js';

/** Records that are remembered: the one forgotten first begins to count again. */
const RECORDS_MAX = 1024;

interface FailingRecord {
  readonly origin: RecordOrigin;
  readonly failureCount: number;
}

export interface FailingRecordsOptions {
  /** Where the counts are kept. */
  readonly path: string;
  /** Failures in a row after which a record is given up; `Infinity` to try for ever. */
  readonly failuresMax: number;
  readonly logger: Logger;
}

export class FailingRecords {
  readonly #options: FailingRecordsOptions;
  readonly #records: Map<string, FailingRecord>;
  #written: Promise<void> = Promise.resolve();

  /** A file that cannot be read is left behind with a warning: the worst that follows are some restarts more. */
  static async open(options: FailingRecordsOptions): Promise<FailingRecords> {
    let records: FailingRecord[] = [];
    try {
      const bytes = await readAtomicFile(options.path);
      if (bytes !== null) records = decode(bytes, options.path);
    } catch (error) {
      options.logger.warn({ err: error }, 'the counts of failing records cannot be read and begin anew');
    }
    return new FailingRecords(options, records);
  }

  private constructor(options: FailingRecordsOptions, records: readonly FailingRecord[]) {
    this.#options = options;
    this.#records = new Map(records.map((record) => [originName(record.origin), record]));
  }

  /** @returns how often the record has failed in a row, this time among them, and whether it is to be given up */
  onFailure(origin: RecordOrigin): { readonly failureCount: number; readonly isGivenUp: boolean } {
    const name = originName(origin);
    const failureCount = (this.#records.get(name)?.failureCount ?? 0) + 1;
    this.#records.delete(name);
    this.#records.set(name, { origin, failureCount });
    for (const oldest of this.#records.keys()) if (this.#records.size > RECORDS_MAX) this.#records.delete(oldest);
    this.#write();
    return { failureCount, isGivenUp: failureCount >= this.#options.failuresMax };
  }

  /** Forgets the records that a completed checkpoint covers. */
  onCheckpoint(sources: CheckpointManifest['sources']): void {
    if (this.#records.size === 0) return;
    const sizeBefore = this.#records.size;
    for (const [name, { origin }] of this.#records) {
      const next = sources[origin.sourceId]?.offsets[origin.partition];
      if (next !== undefined && next > origin.offset) this.#records.delete(name);
    }
    if (this.#records.size < sizeBefore) this.#write();
  }

  /** Records that are not to be tried again. */
  setAside(): RecordOrigin[] {
    const { failuresMax } = this.#options;
    return [...this.#records.values()]
      .filter(({ failureCount }) => failureCount >= failuresMax)
      .map(({ origin }) => origin);
  }

  /** Resolves when all that was counted so far is durable, or could not be made so. */
  settled(): Promise<void> {
    return this.#written;
  }

  #write(): void {
    this.#written = this.#written
      .then(() => writeAtomicFile(this.#options.path, encode(this.#records.values())))
      .catch((error: unknown) => {
        this.#options.logger.warn({ err: error }, 'the counts of failing records cannot be kept');
      });
  }
}

/** For whoever has to look at a record that fails whenever it is tried. */
export function givenUp(cause: Error, origin: RecordOrigin, failureCount: number): MillraceError {
  const { topic, partition, offset } = origin;
  const facts = MillraceError.is(cause) ? cause.details : null;
  const operator = facts?.['operator'];
  const key = facts?.['key'];
  return new MillraceError(
    'MILLRACE_RECORD_POISONOUS',
    `record ${String(offset)} of topic partition ${topic}-${String(partition)} has failed ${String(failureCount)} times in a row` +
      (typeof operator === 'string' ? `, in operator "${operator}"` : '') +
      (key === undefined ? '' : `, with the key ${inspect(key, { breakLength: Infinity, maxStringLength: 200 })}`),
    {
      details: { ...facts, topic, partition, offset, failureCount },
      hint: "Correct what throws and start again; or let the job go on without such records: onError 'retry', 'dead-letter' or 'skip'.",
      cause,
    },
  );
}

function encode(records: Iterable<FailingRecord>): Buffer {
  return Buffer.from(JSON.stringify({ records: [...records] }));
}

function decode(bytes: Buffer, path: string): FailingRecord[] {
  const wrong = (place: string): MillraceError =>
    new MillraceError('MILLRACE_LOG_CORRUPT', `the file has no valid ${place}`, { details: { path } });
  return jsonReader(bytes, wrong).list('records', (record) => {
    const origin = record.object('origin');
    return {
      failureCount: record.count('failureCount'),
      origin: {
        sourceId: origin.text('sourceId'),
        topic: origin.text('topic'),
        partition: origin.count('partition'),
        offset: origin.count('offset'),
      },
    };
  });
}
