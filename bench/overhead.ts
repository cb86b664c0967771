import { Agent, get, type IncomingMessage } from 'node:http';
import { type RunningServer, startMillrace } from './lib/child.js';
import { countLoad } from './lib/load.js';
import { atLeast, median, type Row } from './lib/report.js';
import { cpuBetween, threadCpu, totalOf, type ThreadCpu } from './lib/thread-cpu.js';

const PAIRS = 40;
const SLICE_SECONDS = 2;
const CONNECTIONS = 64;

/** A stretch of the load. */
interface Slice {
  readonly isWatched: boolean;
  readonly requests: number;
  readonly seconds: number;
  readonly cpu: ThreadCpu;
}

/**
 * What looking costs: counters over HTTP, alone and with a dashboard open on a task and metrics that are scraped once a second.
 *
 * One load runs throughout, and looking is switched on and off under it: watched, alone, alone, watched, and so on. Neighbours
 * are compared, so that what drifts (the heap, the log, other programs) meets both alike. The processor time per request says
 * what looking costs of a busy machine's throughput; by the clock it is seen too, but other programs disturb that a hundred
 * times more than one in a hundred. Linux only.
 */
export async function run(): Promise<Row[]> {
  const server = await startMillrace([]);
  try {
    const slices = await slicesOf(server);
    const pairs = Array.from({ length: PAIRS }, (_, index) => slices.slice(2 * index, 2 * index + 2));
    const alone = pairs.flatMap((pair) => pair.filter(({ isWatched }) => !isWatched));
    const watched = pairs.flatMap((pair) => pair.filter(({ isWatched }) => isWatched));
    const row = (name: string, unit: string, read: (slice: Slice) => number, isCost: boolean): Row[] => {
      const ratio = middleMean(alone.map((slice, pair) => read(watched[pair] ?? slice) / read(slice)));
      return [
        { name: `${name}, nobody looks`, value: median(alone.map(read)), unit },
        {
          name: `${name}, UI open and metrics scraped at 1 Hz`,
          value: median(watched.map(read)),
          unit,
          against: { name: 'nobody looks', ratio },
          ...(isCost ? { target: atLeast(1 / ratio, 0.99, '0.99 × the requests of the same time') } : {}),
        },
      ];
    };
    return [
      ...row('all threads', 'µs/request', ({ cpu, requests }) => totalOf(cpu) / requests, true),
      ...row('main thread', 'µs/request', ({ cpu, requests }) => cpu.main / requests, true),
      ...row('by the clock', 'requests/s', ({ requests, seconds }) => requests / seconds, false),
    ];
  } finally {
    await server.stop();
  }
}

/**
 * The mean of the middle half: of a collection of the heap, or another program, that met one of a pair alone nothing is left, and
 * it is steadier than a median, which must tell one in a hundred from none.
 */
function middleMean(values: readonly number[]): number {
  const quarter = values.length >> 2;
  const middle = values.toSorted((a, b) => a - b).slice(quarter, values.length - quarter);
  return middle.reduce((sum, value) => sum + value, 0) / middle.length;
}

async function slicesOf(server: RunningServer): Promise<Slice[]> {
  const paths = Array.from({ length: 40 }, (_, index) => `/counters/name-${String(index)}`);
  const { url } = server;
  const seconds = 2 * PAIRS * SLICE_SECONDS;
  const plan = { url, connections: CONNECTIONS, seconds, warmupSeconds: 4, paths, body: '{"amount":1}' };
  const watcher = await Watcher.of(url);
  const slices: Slice[] = [];
  let before: { requests: number; cpu: ThreadCpu; atMs: number } | null = null;
  try {
    for await (const requests of countLoad(plan, SLICE_SECONDS)) {
      const now = { requests, cpu: await threadCpu(server.pid), atMs: performance.now() };
      if (before !== null) {
        slices.push({
          isWatched: watcher.isWatching,
          requests: requests - before.requests,
          seconds: (now.atMs - before.atMs) / 1000,
          cpu: cpuBetween(before.cpu, now.cpu),
        });
      }
      before = now;
      const isSecondOfPair = slices.length % 2 === 1;
      const isWatchedFirst = (slices.length >> 1) % 2 === 0;
      if (isWatchedFirst !== isSecondOfPair) watcher.watch();
      else watcher.rest();
    }
  } finally {
    watcher.close();
  }
  return slices;
}

/** What the job graph asks for with a task open: the live feed, and what its panel polls (ui/src/graph/vertex-panel.tsx); and a scrape. */
class Watcher {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 8 });
  readonly #url: string;
  readonly #job: string;
  #feed: ReturnType<typeof get> | null = null;
  #timer: NodeJS.Timeout | null = null;
  #round = 0;

  private constructor(url: string, job: string) {
    this.#url = url;
    this.#job = job;
  }

  static async of(url: string): Promise<Watcher> {
    const { jobs } = (await (await fetch(`${url}/jobs`)).json()) as { jobs: readonly [{ readonly id: string }] };
    return new Watcher(url, `${url}/jobs/${jobs[0].id}`);
  }

  get isWatching(): boolean {
    return this.#timer !== null;
  }

  watch(): void {
    if (this.#timer !== null) return;
    this.#feed = get(`${this.#job}/live`, drop).on('error', () => undefined);
    this.#timer = setInterval(() => this.#ask(), 1000);
    this.#ask();
  }

  rest(): void {
    if (this.#timer === null) return;
    clearInterval(this.#timer);
    this.#timer = null;
    this.#feed?.destroy();
  }

  close(): void {
    this.rest();
    this.#agent.destroy();
  }

  #ask(): void {
    const task = `${this.#job}/vertices/counter-requests`;
    const everySeconds: readonly (readonly [seconds: number, url: string])[] = [
      [1, `${this.#url}/metrics`],
      [2, task],
      [3, `${task}/watermarks`],
      [5, `${task}/hot-keys`],
    ];
    const due = everySeconds.filter(([seconds]) => this.#round % seconds === 0);
    for (const [, url] of due) get(url, { agent: this.#agent }, drop).on('error', () => undefined);
    this.#round++;
  }
}

function drop(answer: IncomingMessage): void {
  answer.on('error', () => undefined).resume();
}
