/**
 * The outcomes of asynchronous requests since the newest checkpoint, so that a restart uses them again: another answer of the
 * service asked could contradict what a caller was told, or what has left through a sink.
 *
 * ```text
 *   outcome ─▶ file, synced together ─▶ leaves the operator       ─ barrier ─▶ covered by the checkpoint: the file goes
 *   restart ─▶ read all files ─▶ the record is replayed ─▶ its outcome leaves, nobody is asked
 * ```
 *
 * - An outcome leaves its operator only when it is durable. One that has not left is also in the operator's snapshot, durable here or not.
 * - A file of this attempt goes when a checkpoint is complete whose barrier came behind all that is in it.
 * - A file of an earlier attempt goes when a completed checkpoint has read the sources past all that is in it: until then a
 *   record of it may still be on its way for the first time.
 *
 * The files lie on this machine. A record that is replayed elsewhere is asked for anew.
 *
 * Thread: its worker. Nothing here waits but the opening and the closing.
 */
import { createHash } from 'node:crypto';
import type { CheckpointId } from '../base/ids.js';
import type { OutcomeOrigin, OutcomeRecall } from '../operators/operator.js';
import type { SourcePositions } from '../protocol/control-message.js';
import { MessagePackSerde } from '../protocol/msgpack-serde.js';
import type { OutcomeDirectory, OutcomeFileName, OutcomeListener, OutcomeSink } from './outcome-file.js';

/** The outcome of one asynchronous request, and what it was asked for. */
export interface Outcome {
  /** The uid of the operator that asked. */
  readonly operator: string;
  /** The uid of the source, topic partition and offset of the record that the value is made of. */
  readonly source: string;
  readonly partition: number;
  readonly offset: number;
  /** A hash of the value that was asked for: one record may be made into many. */
  readonly value: string;
  readonly results: readonly unknown[];
}

export interface OutcomeJournalOptions {
  readonly folder: OutcomeDirectory;
  readonly worker: number;
  /** Uids of the job's topic sources, in their order. */
  readonly sources: readonly string[];
}

/** A file that is complete, and what has to be behind a checkpoint for it to go. */
interface OwnFile {
  readonly name: OutcomeFileName;
  readonly sink: OutcomeSink;
  /** The newest checkpoint whose barrier had come to an operator before it wrote to the file. */
  barrier: number;
}

interface EarlierFile {
  readonly name: OutcomeFileName;
  readonly outcomes: readonly Outcome[];
}

export class OutcomeJournal {
  readonly #options: OutcomeJournalOptions;
  readonly #folder: OutcomeDirectory;
  readonly #serde = new MessagePackSerde<unknown>();
  /** Of earlier attempts, by what was asked for, oldest first. */
  readonly #known = new Map<string, Outcome[]>();
  #earlier: EarlierFile[] = [];
  #sealed: OwnFile[] = [];
  /** Made with its first outcome: an idle operator leaves none. */
  #present: OwnFile | null = null;
  #nextNumber = 1;
  #removing: Promise<unknown> = Promise.resolve();

  private constructor(options: OutcomeJournalOptions) {
    this.#options = options;
    this.#folder = options.folder;
  }

  /** Reads what earlier attempts have left. Before any worker of this attempt writes. */
  static async open(options: OutcomeJournalOptions): Promise<OutcomeJournal> {
    const journal = new OutcomeJournal(options);
    for (const name of await options.folder.list()) {
      const frames = await options.folder.read(name);
      // Nobody runs before every worker has come so far: one of them does it for all.
      if (options.worker === 0) await options.folder.rewrite(name, frames);
      const outcomes = frames.map((frame) => journal.#serde.deserialise(frame) as Outcome);
      journal.#earlier.push({ name, outcomes });
      for (const outcome of outcomes) journal.#remember(outcome);
      journal.#nextNumber = name.number + 1;
    }
    return journal;
  }

  /**
   * What one operator of one subtask sees of the journal.
   *
   * @param barrier tells the newest checkpoint whose barrier has come to the operator
   */
  of(operator: string, barrier: () => number): OutcomeRecall {
    return {
      recall: (origin, value) => this.#recall(operator, origin, value),
      record: (origin, value, results, listener) => {
        const asked = this.#asked(operator, origin, value);
        if (asked === null) listener(null);
        else this.#append({ ...asked, results }, barrier(), listener);
      },
    };
  }

  /** @param positions how far the checkpoint has read the sources */
  onCheckpointComplete(checkpointId: CheckpointId, positions: SourcePositions): void {
    if (this.#present !== null) this.#sealed.push(this.#present);
    this.#present = null;
    const superfluous = this.#sealed.filter(({ barrier }) => barrier < checkpointId);
    this.#sealed = this.#sealed.filter(({ barrier }) => barrier >= checkpointId);
    for (const { name, sink } of superfluous) this.#removeAfter(sink.close(), name);
    if (this.#earlier.length > 0) this.#forgetEarlier(positions);
  }

  async close(): Promise<void> {
    for (const { sink } of this.#sealed) await sink.close();
    await this.#present?.sink.close();
    await this.#removing;
  }

  #recall(operator: string, origin: OutcomeOrigin, value: unknown): readonly unknown[] | null {
    if (this.#known.size === 0) return null;
    const asked = this.#asked(operator, origin, value);
    return asked === null ? null : (this.#known.get(nameOf(asked))?.shift()?.results ?? null);
  }

  /** `null` for a record from no topic: nothing tells it again. */
  #asked(operator: string, origin: OutcomeOrigin, value: unknown): Omit<Outcome, 'results'> | null {
    const { originPartition: partition, originOffset: offset, originSource } = origin;
    const source = partition < 0 ? undefined : this.#options.sources[originSource];
    if (source === undefined) return null;
    const hash = createHash('sha256').update(this.#serde.serialise(value)).digest('base64url');
    return { operator, source, partition, offset, value: hash };
  }

  #append(outcome: Outcome, barrier: number, listener: OutcomeListener): void {
    const frame = Buffer.from(this.#serde.serialise(outcome));
    this.#present ??= this.#create();
    this.#present.barrier = Math.max(this.#present.barrier, barrier);
    this.#present.sink.append(frame, listener);
  }

  #create(): OwnFile {
    const name = { number: this.#nextNumber++, worker: this.#options.worker };
    return { name, sink: this.#folder.create(name), barrier: 0 };
  }

  #remember(outcome: Outcome): void {
    const name = nameOf(outcome);
    const same = this.#known.get(name);
    if (same === undefined) this.#known.set(name, [outcome]);
    else same.push(outcome);
  }

  #forgetEarlier(positions: SourcePositions): void {
    const isCovered = ({ source, partition, offset }: Outcome): boolean =>
      offset < (positions.get(source)?.get(partition) ?? Infinity);
    for (const [name, outcomes] of this.#known) if (outcomes.every(isCovered)) this.#known.delete(name);
    const covered = this.#earlier.filter(({ outcomes }) => outcomes.every(isCovered));
    this.#earlier = this.#earlier.filter((file) => !covered.includes(file));
    // Every worker has read them all; one is enough to remove them.
    if (this.#options.worker === 0) for (const { name } of covered) this.#removeAfter(Promise.resolve(), name);
  }

  /** A file that stays behind is read again by the next start, and removed then. */
  #removeAfter(closed: Promise<void>, name: OutcomeFileName): void {
    const removed = closed.then(() => this.#folder.remove(name)).catch(() => undefined);
    this.#removing = Promise.all([this.#removing, removed]);
  }
}

function nameOf({ operator, source, partition, offset, value }: Omit<Outcome, 'results'>): string {
  return JSON.stringify([operator, source, partition, offset, value]);
}
