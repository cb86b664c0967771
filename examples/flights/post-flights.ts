import { Agent, request } from 'node:http';
import type { Flight, OriginDelays } from './running-delays.js';

/** How to post. */
export interface PostFlightsOptions {
  /** Where Millrace listens: `http://127.0.0.1:8080`. */
  readonly url: string;
  /** Requests under way at once, at least 1. More than there are origins changes nothing. */
  readonly concurrency: number;
  /** Told after each answer how many there are. */
  readonly onProgress?: (answered: number) => void;
}

/**
 * Posts flights and returns the answer to each, in the order of the flights.
 *
 * Answers hold running figures, so the flights of one origin must arrive in their order: each origin has at most one
 * request under way. Different origins overlap freely. The origin with the most flights left goes first, because at the
 * end its flights, one after the other, are what everyone waits for.
 */
export async function postFlights(flights: readonly Flight[], options: PostFlightsOptions): Promise<OriginDelays[]> {
  const agent = new Agent({ keepAlive: true, maxSockets: options.concurrency });
  const idle = queuesByOrigin(flights);
  const answers: OriginDelays[] = [];
  let answered = 0;
  const stop = new AbortController();

  const postOneAfterTheOther = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      const queue = takeLongest(idle);
      if (queue === undefined) return;
      const index = queue.indices[queue.next] ?? -1;
      answers[index] = await postFlight(agent, options.url, flights[index]);
      queue.next += 1;
      answered += 1;
      options.onProgress?.(answered);
      if (queue.next < queue.indices.length) idle.push(queue);
    }
  };

  try {
    const lanes = Array.from({ length: options.concurrency }, postOneAfterTheOther);
    await Promise.all(
      lanes.map((lane) =>
        lane.catch((error: unknown) => {
          stop.abort();
          throw error;
        }),
      ),
    );
  } finally {
    agent.destroy();
  }
  return answers;
}

/** The flights of one origin that are still to be posted: those from `next` on. */
interface OriginQueue {
  readonly indices: number[];
  next: number;
}

function queuesByOrigin(flights: readonly Flight[]): OriginQueue[] {
  const queues = new Map<string, OriginQueue>();
  for (const [index, { origin }] of flights.entries()) {
    const queue = queues.get(origin) ?? { indices: [], next: 0 };
    queue.indices.push(index);
    queues.set(origin, queue);
  }
  return [...queues.values()];
}

/**
 * Removes and returns the queue with the most left. A lane that finds none ends: the queues that are missing are in the
 * hands of other lanes, one each, which put them back for themselves.
 */
function takeLongest(idle: OriginQueue[]): OriginQueue | undefined {
  let best = 0;
  for (let index = 1; index < idle.length; index++) {
    if (left(idle[index]) > left(idle[best])) best = index;
  }
  return idle.splice(best, 1)[0];
}

function left(queue: OriginQueue | undefined): number {
  return queue === undefined ? 0 : queue.indices.length - queue.next;
}

/** How often a flight that was refused for lack of room is offered again. */
const MAX_ATTEMPTS = 20;

async function postFlight(agent: Agent, url: string, flight: Flight | undefined): Promise<OriginDelays> {
  const body = JSON.stringify(flight);
  for (let attempt = 1; ; attempt++) {
    const response = await post(agent, new URL('/flights', url), body);
    if (response.status === 200) return JSON.parse(response.body) as OriginDelays;
    // 503 says that the flight was not taken, so posting it again cannot count it twice.
    if (response.status !== 503 || attempt === MAX_ATTEMPTS) {
      throw new Error(`a flight was answered with ${String(response.status)}: ${response.body}`);
    }
    await delay(response.retryAfterSeconds * 1000);
  }
}

interface Response {
  readonly status: number;
  readonly body: string;
  readonly retryAfterSeconds: number;
}

async function post(agent: Agent, url: URL, body: string): Promise<Response> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
    const outgoing = request(url, { method: 'POST', agent, headers }, (incoming) => {
      const chunks: Buffer[] = [];
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
      incoming.on('error', reject);
      incoming.on('end', () => {
        resolve({
          status: incoming.statusCode ?? 0,
          body: Buffer.concat(chunks).toString('utf8'),
          retryAfterSeconds: Number(incoming.headers['retry-after'] ?? 1),
        });
      });
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

async function delay(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
