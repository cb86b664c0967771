import { randomUUID } from 'node:crypto';
import type { ServiceProcess } from './service-process.js';

/** Between two tries of a request, in milliseconds. */
const REST_MS = 20;

export interface RetriedRequest {
  readonly path: string;
  readonly body: unknown;
}

/**
 * Clients that send every request until it is answered, at whichever instance, under an `Idempotency-Key` of its own: so that
 * however often one is sent, it must count once.
 */
export class RetryingClients {
  #instances: readonly ServiceProcess[];
  #done = 0;
  #turn = 0;
  #retries = 0;
  #waiting: { count: number; resolve: () => void }[] = [];

  constructor(instances: readonly ServiceProcess[]) {
    this.#instances = instances;
  }

  /** From now on only these. */
  use(instances: readonly ServiceProcess[]): void {
    this.#instances = instances;
  }

  get retries(): number {
    return this.#retries;
  }

  /** Sends these, over so many connections. @returns the answers, by request */
  async run(requests: readonly RetriedRequest[], connections: number): Promise<unknown[]> {
    const answers: unknown[] = [];
    let next = 0;
    const client = async (): Promise<void> => {
      for (let index = next++; index < requests.length; index = next++) {
        answers[index] = await this.#send(requests[index] as RetriedRequest);
        this.#done++;
        this.#tellWaiting();
      }
    };
    await Promise.all(Array.from({ length: connections }, client));
    return answers;
  }

  /** Resolves when so many requests are answered. */
  async until(count: number): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#waiting.push({ count, resolve });
      this.#tellWaiting();
    });
  }

  async #send({ path, body }: RetriedRequest): Promise<unknown> {
    const key = `"${randomUUID()}"`;
    for (;;) {
      const instance = this.#instances[this.#turn++ % this.#instances.length];
      try {
        const response = await instance?.post(path, body, { 'idempotency-key': key });
        if (response?.status === 200) return await response.json();
        await response?.arrayBuffer();
      } catch {
        // The connection broke: whether the request counts already, its key tells.
      }
      this.#retries++;
      await new Promise((resolve) => {
        setTimeout(resolve, REST_MS);
      });
    }
  }

  #tellWaiting(): void {
    this.#waiting = this.#waiting.filter(({ count, resolve }) => {
      if (this.#done < count) return true;
      resolve();
      return false;
    });
  }
}
