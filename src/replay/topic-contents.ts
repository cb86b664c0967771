import type { TopicPort, TopicReader, TopicRecord } from '../connectors/topic.js';

/** What a topic holds when it is opened, record by record, in the order in which it was written. */
export class TopicContents {
  readonly #reader: TopicReader;
  readonly #endOffsets: readonly number[];
  readonly #partitions: readonly number[];
  #onReadable: () => void = () => undefined;

  private constructor(port: TopicPort, topic: string, from: readonly number[], endOffsets: readonly number[]) {
    this.#endOffsets = endOffsets;
    this.#partitions = [...from.keys()];
    this.#reader = port.openReader(topic, {
      positions: new Map(from.entries()),
      visibility: 'committed',
      onReadable: () => this.#onReadable(),
    });
  }

  /** @param from the first offset to read of a partition; of one without, the first that is stored */
  static async open(port: TopicPort, topic: string, from?: ReadonlyMap<number, number>): Promise<TopicContents> {
    const { beginOffsets, endOffsets } = await port.describe(topic);
    const starts = beginOffsets.map((begin, partition) => from?.get(partition) ?? begin);
    return new TopicContents(port, topic, starts, endOffsets);
  }

  /**
   * Shows the next record, whose memory is valid within the call, and goes on to the one after if `visit` says so.
   *
   * @returns whether there was one
   */
  async next(visit: (record: TopicRecord) => boolean): Promise<boolean> {
    while (this.#hasMore()) {
      const isReadable = new Promise<void>((resolve) => {
        this.#onReadable = resolve;
      });
      if (this.#show(visit)) return true;
      if (this.#hasMore()) await isReadable;
    }
    return false;
  }

  /** Visits all that is left. */
  async forEach(visit: (record: TopicRecord) => void): Promise<void> {
    const take = (record: TopicRecord): boolean => {
      visit(record);
      return true;
    };
    while (await this.next(take));
  }

  close(): void {
    this.#reader.close();
  }

  #show(visit: (record: TopicRecord) => boolean): boolean {
    let wasShown = false;
    this.#reader.poll(1, (record) => {
      wasShown = true;
      return visit(record);
    });
    return wasShown;
  }

  #hasMore(): boolean {
    return this.#partitions.some((partition) => this.#reader.position(partition) < (this.#endOffsets[partition] ?? 0));
  }
}
