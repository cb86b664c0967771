import type { TopicPort, TopicRecord } from '../connectors/topic.js';
import type { PlanTopicSource } from '../graph/execution-plan.js';
import type { ExpiredRequests } from '../main/expired-requests.js';
import type { SourceOffsets } from '../main/job-attempt.js';
import { TopicContents } from './topic-contents.js';

/** Given each record that a worker was given: not those that were dropped because their deadline had passed. */
export type TakeRecord = (source: PlanTopicSource, record: TopicRecord) => void;

interface Feed {
  readonly source: PlanTopicSource;
  readonly contents: TopicContents;
  readonly expired: ExpiredRequests | null;
  /** When its next record was written; `Infinity` at the end. */
  nextTimestamp: number;
}

/**
 * The records of all sources of a job as one sequence: within a topic in the order in which they were written, between topics the
 * oldest first. Which of two topics a worker read first is not recorded.
 */
export class RecordFeed {
  readonly #feeds: readonly Feed[];

  private constructor(feeds: readonly Feed[]) {
    this.#feeds = feeds;
  }

  static async open(
    port: TopicPort,
    sources: readonly PlanTopicSource[],
    { from, expired }: { readonly from: SourceOffsets; readonly expired: ReadonlyMap<string, ExpiredRequests> },
  ): Promise<RecordFeed> {
    const feeds = await Promise.all(
      sources.map(async (source) => ({
        source,
        contents: await TopicContents.open(port, source.topic, from.get(source.operatorId)),
        expired: expired.get(source.operatorId) ?? null,
        nextTimestamp: 0,
      })),
    );
    for (const feed of feeds) await look(feed);
    return new RecordFeed(feeds);
  }

  /** When the next record was written; `Infinity` at the end. */
  get nextTimestamp(): number {
    return this.#oldest()?.nextTimestamp ?? Infinity;
  }

  /** Hands over the next record. */
  async next(take: TakeRecord): Promise<void> {
    const feed = this.#oldest();
    if (feed === null) return;
    await feed.contents.next((record) => {
      if (feed.expired?.wasDropped(record) !== true) take(feed.source, record);
      return true;
    });
    await look(feed);
  }

  #oldest(): Feed | null {
    let oldest: Feed | null = null;
    for (const feed of this.#feeds) {
      if (feed.nextTimestamp < (oldest?.nextTimestamp ?? Infinity)) oldest = feed;
    }
    return oldest;
  }

  close(): void {
    for (const { contents } of this.#feeds) contents.close();
  }
}

async function look(feed: Feed): Promise<void> {
  feed.nextTimestamp = Infinity;
  await feed.contents.next(({ timestamp }) => {
    feed.nextTimestamp = timestamp;
    return false;
  });
}
