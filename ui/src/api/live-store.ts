import { ApiError, getJson, jobPath, send } from './client.js';
import type { Snapshot } from './types.js';

/** Points that the charts remember: five minutes. */
const HISTORY_MAX = 300;
const RETRY_MS = 2_000;

export type LiveStatus = 'connecting' | 'live' | 'lost' | 'token-needed';

/** One second of what the charts draw. */
export interface HistoryPoint {
  readonly time: number;
  readonly requestsPerSecond: number;
  readonly errorsPerSecond: number;
  readonly recordsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly pending: number;
  readonly busyMax: number;
  readonly lag: number;
}

export interface LiveState {
  readonly status: LiveStatus;
  readonly snapshot: Snapshot | null;
  readonly history: readonly HistoryPoint[];
}

/**
 * What moves, kept up to date by server-sent events; comes back by itself when the process was away.
 *
 * The events are read with `fetch`, because `EventSource` cannot send a token.
 */
export class LiveStore {
  #state: LiveState = { status: 'connecting', snapshot: null, history: [] };
  readonly #listeners = new Set<() => void>();
  #wake: () => void = () => undefined;

  get state(): LiveState {
    return this.#state;
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Runs for ever. */
  async run(): Promise<void> {
    for (;;) {
      try {
        await this.#watch();
        this.#set({ ...this.#state, status: 'lost' });
      } catch (error) {
        const isUnknown = error instanceof ApiError && error.status === 401;
        this.#set({ ...this.#state, status: isUnknown ? 'token-needed' : 'lost' });
      }
      await this.#pause();
    }
  }

  /** Tries again now: a token was given. */
  retry(): void {
    this.#wake();
  }

  async #watch(): Promise<void> {
    const { jobs } = await getJson<{ jobs: readonly { readonly id: string }[] }>('/jobs');
    const jid = jobs[0]?.id;
    if (jid === undefined) return;
    const response = await send(jobPath(jid, 'live'));
    for await (const data of eventsOf(response)) this.#take(JSON.parse(data) as Snapshot);
  }

  #take(snapshot: Snapshot): void {
    // A process that was started again begins a new history.
    const isSameJob = this.#state.snapshot?.job.jid === snapshot.job.jid;
    const history = isSameJob ? this.#state.history.slice(1 - HISTORY_MAX) : [];
    this.#set({ status: 'live', snapshot, history: [...history, pointOf(snapshot)] });
  }

  #set(state: LiveState): void {
    this.#state = state;
    for (const listener of this.#listeners) listener();
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, RETRY_MS);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

async function* eventsOf(response: Response): AsyncGenerator<string> {
  if (response.body === null) return;
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    text += value;
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const data = text
        .slice(0, end)
        .split('\n')
        .filter((line) => line.startsWith('data: '))
        .map((line) => line.slice('data: '.length));
      text = text.slice(end + 2);
      if (data.length > 0) yield data.join('\n');
    }
  }
}

function pointOf({ now, requests, vertices, topics }: Snapshot): HistoryPoint {
  return {
    time: now / 1000,
    requestsPerSecond: requests.perSecond,
    errorsPerSecond: requests.errorsPerSecond,
    recordsPerSecond: vertices.reduce((sum, vertex) => sum + vertex.recordsInPerSecond, 0),
    p50Ms: requests.p50Ms,
    p99Ms: requests.p99Ms,
    pending: requests.pendingCount,
    busyMax: Math.max(0, ...vertices.map((vertex) => vertex.busyMax)),
    lag: topics.reduce((sum, topic) => sum + (topic.lag ?? 0), 0),
  };
}
