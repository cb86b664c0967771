import { ConnectorError } from '../../base/errors.js';
import type { AppendListener, OutputCommit, OutputEnds, ProducerRecord, TransactionalProducer } from '../topic.js';
import type { TopicJournal } from './topic-journal.js';

/** What the producer needs of a topic's journal. */
export type OutputJournal = Pick<TopicJournal, 'append' | 'appendedEnds' | 'flush' | 'commit'>;

/**
 * The embedded log's transactional producer. It appends at once; the commit is the manifest that its caller writes between
 * {@link prepare} and {@link commit}, so that a commit here only moves the committed ends in memory, and wakes the readers.
 *
 * Main thread.
 */
export class LogProducer implements TransactionalProducer {
  readonly #journals: ReadonlyMap<string, OutputJournal>;
  #isClosed = false;

  constructor(journals: ReadonlyMap<string, OutputJournal>) {
    this.#journals = journals;
  }

  append(topic: string, record: ProducerRecord, listener: AppendListener | null): void {
    const journal = this.#journals.get(topic);
    if (journal === undefined || this.#isClosed) {
      const why = this.#isClosed ? 'is closed' : 'does not have the topic';
      throw new ConnectorError(
        'MILLRACE_INVARIANT_VIOLATED',
        `a transactional producer was given a record for topic '${topic}' and ${why}`,
        { details: { topic } },
      );
    }
    journal.append(record, listener);
  }

  async prepare(): Promise<OutputEnds> {
    const journals = [...this.#journals];
    const outputs = Object.fromEntries(
      journals.map(([topic, { appendedEnds }]) => [topic, Object.fromEntries(appendedEnds.entries())]),
    );
    await Promise.all(journals.map(([, journal]) => journal.flush()));
    return outputs;
  }

  commit({ outputs }: OutputCommit): Promise<void> {
    if (!this.#isClosed) for (const [topic, ends] of Object.entries(outputs)) this.#journals.get(topic)?.commit(ends);
    return Promise.resolve();
  }

  abort(): void {
    // The next checkpoint's ends lie behind these records as well.
  }

  close(): Promise<void> {
    this.#isClosed = true;
    return Promise.resolve();
  }
}
