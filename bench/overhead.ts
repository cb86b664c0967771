import { type RunningServer, startMillrace } from './lib/child.js';
import { runLoad } from './lib/load.js';
import { atLeast, median, type Row } from './lib/report.js';

const ROUNDS = 7;
const SECONDS = 3;
const CONNECTIONS = 64;

/**
 * What looking costs: counters over HTTP, alone and with a dashboard that watches and metrics that are scraped once a second. The
 * two take turns within each round, and in turn begin it, so that a slow moment of the machine meets both.
 */
export async function run(): Promise<Row[]> {
  const server = await startMillrace([]);
  try {
    const alone: number[] = [];
    const watched: number[] = [];
    await load(server, 2);
    for (let round = 0; round < ROUNDS; round++) {
      const isAloneFirst = round % 2 === 0;
      if (isAloneFirst) alone.push(await load(server, SECONDS));
      watched.push(await whileWatched(server, () => load(server, SECONDS)));
      if (!isAloneFirst) alone.push(await load(server, SECONDS));
    }
    const ratio = median(watched.map((perSecond, round) => perSecond / (alone[round] ?? 1)));
    return [
      { name: 'counters, nobody looks', value: median(alone), unit: 'requests/s' },
      {
        name: 'counters, UI open and metrics scraped at 1 Hz',
        value: median(watched),
        unit: 'requests/s',
        against: { name: 'nobody looks', ratio },
        target: atLeast(ratio, 0.99, '0.99 × nobody looks'),
      },
    ];
  } finally {
    await server.stop();
  }
}

async function load(server: RunningServer, seconds: number): Promise<number> {
  const paths = Array.from({ length: 40 }, (_, index) => `/counters/name-${String(index)}`);
  const { url } = server;
  const result = await runLoad({
    url,
    connections: CONNECTIONS,
    seconds,
    warmupSeconds: 1,
    paths,
    body: '{"amount":1}',
  });
  return result.requestsPerSecond;
}

/** As the job graph with a task open does: the live feed, and what its panel asks for; and a scrape. */
async function whileWatched<T>({ url }: RunningServer, work: () => Promise<T>): Promise<T> {
  const { jobs } = (await (await fetch(`${url}/jobs`)).json()) as { jobs: readonly [{ readonly id: string }] };
  const job = `${url}/jobs/${jobs[0].id}`;
  const abort = new AbortController();
  const feed = fetch(`${job}/live`, { signal: abort.signal })
    .then((response) => response.arrayBuffer())
    .catch(() => undefined);
  const task = `${job}/vertices/counter-requests`;
  const timer = setInterval(() => {
    for (const path of [`${url}/metrics`, task, `${task}/backpressure`, `${task}/watermarks`])
      void fetch(path).then(drop, drop);
  }, 1000);
  try {
    return await work();
  } finally {
    clearInterval(timer);
    abort.abort();
    await feed;
  }
}

function drop(answer: unknown): void {
  if (answer instanceof Response) void answer.arrayBuffer();
}
