import { parseArgs } from 'node:util';
import { findWrongAnswers, sumsBefore } from './check-answers.js';
import { loadFlights } from './load-flights.js';
import { postFlights } from './post-flights.js';
import { ProgressBar } from './progress-bar.js';

/**
 * Posts real flights to a running Millrace and checks every answer against a plain computation.
 *
 *     npm start                                  # in one terminal
 *     node dist/examples/flights/replay.js       # in another
 *
 * Ends with 0 when all answers are right, 1 when one is not, 2 when it cannot run.
 */
const USAGE = `usage: node dist/examples/flights/replay.js [--url URL] [--concurrency N] [--limit N]

  --url URL          where Millrace listens; http://127.0.0.1:8080
  --concurrency N    requests under way at once; 64
  --limit N          how many flights; all 20000
`;

interface ReplayOptions {
  readonly url: string;
  readonly concurrency: number;
  readonly limit: number;
}

function parseOptions(args: readonly string[]): ReplayOptions | null {
  const { values } = parseArgs({
    args: [...args],
    options: {
      url: { type: 'string', default: 'http://127.0.0.1:8080' },
      concurrency: { type: 'string', default: '64' },
      limit: { type: 'string', default: '20000' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return null;
  if (!URL.canParse(values.url)) throw new Error(`--url is no URL: ${values.url}`);
  return {
    url: values.url,
    concurrency: wholeNumber('concurrency', values.concurrency),
    limit: wholeNumber('limit', values.limit),
  };
}

function wholeNumber(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) throw new Error(`--${name} is no whole number of at least 1: ${text}`);
  return value;
}

async function replay(options: ReplayOptions): Promise<boolean> {
  const flights = (await loadFlights()).slice(0, options.limit);
  const bar = new ProgressBar(flights.length, process.stderr, () => performance.now());
  const answers = await postFlights(flights, {
    url: options.url,
    concurrency: options.concurrency,
    onProgress: (answered) => {
      bar.update(answered);
    },
  });
  const before = sumsBefore(flights, answers);
  if (before.size > 0)
    console.log(`The service had seen flights of ${String(before.size)} origins before; checked from there on.`);
  const wrong = findWrongAnswers(flights, answers, before);
  for (const { index, expected, actual } of wrong.slice(0, 10)) {
    console.log(`flight ${String(index)}: expected ${JSON.stringify(expected)}, got ${JSON.stringify(actual)}`);
  }
  console.log(`${String(answers.length - wrong.length)} of ${String(flights.length)} answers are right.`);
  return wrong.length === 0;
}

async function main(): Promise<number> {
  try {
    const options = parseOptions(process.argv.slice(2));
    if (options === null) {
      console.log(USAGE);
      return 0;
    }
    return (await replay(options)) ? 0 : 1;
  } catch (error) {
    console.error(explain(error));
    return 2;
  }
}

function explain(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'ECONNREFUSED')
    return 'Nothing answers at that address. Start Millrace with npm start, or give its --url.';
  return error.message;
}

process.exitCode = await main();
