/** What a caller has seen. */
export interface CallerOutcome {
  readonly answered: number;
  readonly failed: number;
  /** Longest time between two answers, in milliseconds. */
  readonly longestGapMs: number;
}

/** Sends one request after the other, each when the one before is answered. */
export class Caller {
  #isOver = false;
  #answered = 0;
  #failed = 0;
  #longestGapMs = 0;
  readonly #ended: Promise<void>;

  private constructor(url: string, body: unknown) {
    this.#ended = this.#call(url, JSON.stringify(body));
  }

  static start(url: string, body: unknown): Caller {
    return new Caller(url, body);
  }

  async stop(): Promise<CallerOutcome> {
    this.#isOver = true;
    await this.#ended;
    return { answered: this.#answered, failed: this.#failed, longestGapMs: this.#longestGapMs };
  }

  async #call(url: string, body: string): Promise<void> {
    let answeredAt = performance.now();
    while (!this.#isOver) {
      const isAnswered = await answers(url, body);
      const now = performance.now();
      if (isAnswered) {
        // The first connects.
        if (this.#answered > 0) this.#longestGapMs = Math.max(this.#longestGapMs, now - answeredAt);
        this.#answered++;
        answeredAt = now;
      } else this.#failed++;
    }
  }
}

async function answers(url: string, body: string): Promise<boolean> {
  try {
    const response = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
    await response.arrayBuffer();
    return response.ok;
  } catch {
    return false;
  }
}
