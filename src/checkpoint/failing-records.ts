/**
 * Records, and timers, that make the job fail, and how often each has, in a row: so that none of them can restart the job for
 * ever.
 *
 * What has failed as often as the limit says is given up: the job goes on without it, or ends, as its `onError` says. A record
 * is forgotten once a completed checkpoint lies behind it: it has succeeded, or was set aside. A timer that has succeeded
 * never comes again. The counts are kept in a file, so that they go on when the process is started again.
 *
 * Failures that nothing can be blamed for are not counted: of records that come from no topic, and between two records.
 *
 * Thread: main.
 */
import { inspect } from 'node:util';
import { MillraceError } from '../base/errors.js';
import type { Logger } from '../base/log.js';
import type { CheckpointManifest } from './checkpoint-manifest.js';
import { type JsonReader, jsonReader } from './json-reader.js';
import { type Culprit, culpritName } from '../protocol/culprit.js';
import { readAtomicFile, writeAtomicFile } from '../storage/atomic-file.js';

/** Culprits that are remembered: the one forgotten first begins to count again. */
const CULPRITS_MAX = 1024;

interface Failing {
  readonly culprit: Culprit;
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
  readonly #failing: Map<string, Failing>;
  #written: Promise<void> = Promise.resolve();

  /** A file that cannot be read is left behind with a warning: the worst that follows are some restarts more. */
  static async open(options: FailingRecordsOptions): Promise<FailingRecords> {
    let failing: Failing[] = [];
    try {
      const bytes = await readAtomicFile(options.path);
      if (bytes !== null) failing = decode(bytes, options.path);
    } catch (error) {
      options.logger.warn({ err: error }, 'the counts of failing records cannot be read and begin anew');
    }
    return new FailingRecords(options, failing);
  }

  private constructor(options: FailingRecordsOptions, failing: readonly Failing[]) {
    this.#options = options;
    this.#failing = new Map(failing.map((one) => [culpritName(one.culprit), one]));
  }

  /** @returns how often it has failed in a row, this time among them, and whether it is to be given up */
  onFailure(culprit: Culprit): { readonly failureCount: number; readonly isGivenUp: boolean } {
    const name = culpritName(culprit);
    const failureCount = (this.#failing.get(name)?.failureCount ?? 0) + 1;
    this.#failing.delete(name);
    this.#failing.set(name, { culprit, failureCount });
    for (const oldest of this.#failing.keys()) if (this.#failing.size > CULPRITS_MAX) this.#failing.delete(oldest);
    this.#write();
    return { failureCount, isGivenUp: failureCount >= this.#options.failuresMax };
  }

  /** Forgets the records that a completed checkpoint covers. */
  onCheckpoint(sources: CheckpointManifest['sources']): void {
    if (this.#failing.size === 0) return;
    const sizeBefore = this.#failing.size;
    for (const [name, { culprit }] of this.#failing) {
      if (culprit.kind !== 'record') continue;
      const { sourceId, partition, offset } = culprit.record;
      const next = sources[sourceId]?.offsets[partition];
      if (next !== undefined && next > offset) this.#failing.delete(name);
    }
    if (this.#failing.size < sizeBefore) this.#write();
  }

  /** What is not to be tried again. */
  givenUp(): Culprit[] {
    const { failuresMax } = this.#options;
    return [...this.#failing.values()]
      .filter(({ failureCount }) => failureCount >= failuresMax)
      .map(({ culprit }) => culprit);
  }

  /** Resolves when all that was counted so far is durable, or could not be made so. */
  settled(): Promise<void> {
    return this.#written;
  }

  #write(): void {
    this.#written = this.#written
      .then(() => writeAtomicFile(this.#options.path, encode(this.#failing.values())))
      .catch((error: unknown) => {
        this.#options.logger.warn({ err: error }, 'the counts of failing records cannot be kept');
      });
  }
}

/** For whoever has to look at what fails whenever it is tried. */
export function givenUp(cause: Error, culprit: Culprit, failureCount: number): MillraceError {
  const facts = MillraceError.is(cause) ? cause.details : null;
  const operator = facts?.['operator'];
  const key = facts?.['key'];
  return new MillraceError(
    'MILLRACE_RECORD_POISONOUS',
    `${describe(culprit)} has failed ${String(failureCount)} times in a row` +
      (typeof operator === 'string' ? `, in operator "${operator}"` : '') +
      (key === undefined ? '' : `, with the key ${inspect(key, { breakLength: Infinity, maxStringLength: 200 })}`),
    {
      details: { ...facts, ...detailsOf(culprit), failureCount },
      hint: "Correct what fails and start again; or let the job go on without such records: onError 'retry', 'dead-letter' or 'skip'.",
      cause,
    },
  );
}

function describe(culprit: Culprit): string {
  if (culprit.kind === 'timer') return `a timer for ${String(culprit.timer.timestamp)}`;
  const { topic, partition, offset } = culprit.record;
  return `record ${String(offset)} of topic partition ${topic}-${String(partition)}`;
}

function detailsOf(culprit: Culprit): Readonly<Record<string, unknown>> {
  if (culprit.kind === 'timer') return { timestamp: culprit.timer.timestamp };
  const { topic, partition, offset } = culprit.record;
  return { topic, partition, offset };
}

function encode(failing: Iterable<Failing>): Buffer {
  return Buffer.from(JSON.stringify({ failing: [...failing] }));
}

function decode(bytes: Buffer, path: string): Failing[] {
  const wrong = (place: string): MillraceError =>
    new MillraceError('MILLRACE_LOG_CORRUPT', `the file has no valid ${place}`, { details: { path } });
  return jsonReader(bytes, wrong).list('failing', (one) => ({
    failureCount: one.count('failureCount'),
    culprit: decodeCulprit(one.object('culprit')),
  }));
}

function decodeCulprit(culprit: JsonReader): Culprit {
  if (culprit.oneOf('kind', ['record', 'timer']) === 'timer') {
    const timer = culprit.object('timer');
    return {
      kind: 'timer',
      timer: {
        operatorId: timer.text('operatorId'),
        keyHash: timer.number('keyHash'),
        timestamp: timer.number('timestamp'),
      },
    };
  }
  const record = culprit.object('record');
  return {
    kind: 'record',
    isDeadly: culprit.boolean('isDeadly'),
    record: {
      sourceId: record.text('sourceId'),
      topic: record.text('topic'),
      partition: record.count('partition'),
      offset: record.count('offset'),
    },
  };
}
