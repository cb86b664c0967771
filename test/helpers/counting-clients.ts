import type { TopicPort } from '../../src/connectors/topic.js';
import type { ServiceProcess } from './service-process.js';
import { TopicClient } from './topic-client.js';

const CONNECTIONS = 16;

/**
 * Clients that add 1 to counters again and again, at whichever instance, and know what every counter must say.
 *
 * An addition whose outcome is unknown, since the instance that took it was killed, is found out by reading: nobody else adds
 * to the counter of a client meanwhile.
 */
export class CountingClients {
  readonly #counters: readonly string[];
  readonly #expected = new Map<string, number>();
  #instances: readonly ServiceProcess[];
  #done = 0;
  #turn = 0;
  #waiting: { count: number; resolve: () => void }[] = [];

  constructor(counters: readonly string[], instances: readonly ServiceProcess[]) {
    this.#counters = counters;
    this.#instances = instances;
  }

  /** From now on only these. */
  use(instances: readonly ServiceProcess[]): void {
    this.#instances = instances;
  }

  /** Adds so many times in all. */
  async run(additions: number): Promise<void> {
    let left = additions;
    const client = async (number: number): Promise<void> => {
      const own = this.#counters.filter((_, index) => index % CONNECTIONS === number);
      for (let turn = 0; left > 0 && own.length > 0; turn++) {
        left--;
        await this.#add(own[turn % own.length] ?? '');
        this.#done++;
        this.#tellWaiting();
      }
    };
    await Promise.all(Array.from({ length: CONNECTIONS }, (_, number) => client(number)));
  }

  /** Resolves when so many additions are done. */
  async until(count: number): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#waiting.push({ count, resolve });
      this.#tellWaiting();
    });
  }

  async read(instance: ServiceProcess): Promise<ReadonlyMap<string, number>> {
    const values = new Map<string, number>();
    for (const counter of this.#counters) values.set(counter, await this.#value(counter, instance));
    return values;
  }

  /** Counters that do not say what they must. */
  differences(values: ReadonlyMap<string, number>): readonly string[] {
    return this.#counters
      .filter((counter) => values.get(counter) !== (this.#expected.get(counter) ?? 0))
      .map((counter) => `${counter}: ${values.get(counter)}, not ${this.#expected.get(counter)}`);
  }

  /** What is wrong with the committed changes of a topic: each counter must go up by one, from 1 to what it says. */
  async changesInTopic(topics: TopicPort, topic: string): Promise<readonly string[]> {
    const { endOffsets } = await topics.describe(topic);
    const client = new TopicClient(topics, topic, new Map(endOffsets.map((_, partition) => [partition, 0])), {
      visibility: 'committed',
    });
    // A read with an addition of nothing is in the topic as well: it repeats the value.
    const values = new Map<string, number>();
    const wrong: string[] = [];
    const isComplete = (): boolean => [...this.#expected].every(([name, value]) => values.get(name) === value);
    while (!isComplete()) {
      await client.read(client.records.length + 1);
      const { name, value } = JSON.parse(client.values.at(-1) ?? '') as { name: string; value: number };
      const before = values.get(name) ?? 0;
      if (value !== before && value !== before + 1) wrong.push(`${name}: ${value} after ${before}`);
      values.set(name, value);
    }
    client.reader.close();
    return wrong;
  }

  async #add(counter: string): Promise<void> {
    const expected = (this.#expected.get(counter) ?? 0) + 1;
    for (;;) {
      const instance = this.#instances[this.#turn++ % this.#instances.length];
      try {
        const response = await instance?.post(`/counters/${counter}`, { amount: 1 });
        if (response?.status === 200) {
          const { value } = (await response.json()) as { value: number };
          // Also what is expected when an addition of before, whose answer was lost, came first.
          if (value !== expected) throw new Error(`${counter} says ${value} after ${expected} additions`);
          break;
        }
        await response?.arrayBuffer();
      } catch (error) {
        if (error instanceof Error && error.message.includes('additions')) throw error;
      }
      if ((await this.#settledValue(counter)) === expected) break;
    }
    this.#expected.set(counter, expected);
  }

  /** What the counter says once everything that was accepted before has been counted. */
  async #settledValue(counter: string): Promise<number> {
    for (;;) {
      const instance = this.#instances[this.#turn++ % this.#instances.length];
      try {
        if (instance !== undefined) return await this.#value(counter, instance);
      } catch {
        // Another one will say.
      }
      await new Promise((resolve) => {
        setTimeout(resolve, 50);
      });
    }
  }

  async #value(counter: string, instance: ServiceProcess): Promise<number> {
    const response = await instance.fetch(`/counters/${counter}`);
    if (response.status !== 200) throw new Error(`${counter}: ${response.status}`);
    return ((await response.json()) as { value: number }).value;
  }

  #tellWaiting(): void {
    this.#waiting = this.#waiting.filter(({ count, resolve }) => {
      if (this.#done < count) return true;
      resolve();
      return false;
    });
  }
}
