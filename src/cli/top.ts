import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { AdminClient, adminOptions } from './admin-client.js';
import { type Command, EXIT_OK, integerOption } from './command.js';
import { maxOf, parseMetrics, quantileBetween, type Sample, sumOf } from './metrics-text.js';

const DEFAULT_INTERVAL_MS = 1000;

/** The terminal's own sequences (ECMA-48): another screen, home, clear what follows, and back. */
const ENTER = '\u001B[?1049h\u001B[?25l';
const LEAVE = '\u001B[?25h\u001B[?1049l';
const HOME = '\u001B[H';
const CLEAR_LINE = '\u001B[K';
const CLEAR_BELOW = '\u001B[J';

interface Vertex {
  readonly id: string;
  readonly name: string;
  readonly parallelism: number;
}

/** What one frame shows. Rates are means since the frame before. */
export interface TopFrame {
  readonly job: string;
  readonly state: string;
  readonly requestsPerSecond: number;
  readonly p50Seconds: number | null;
  readonly p99Seconds: number | null;
  readonly pending: number;
  readonly checkpointAgeSeconds: number;
  readonly memoryBytes: number;
  readonly tasks: readonly TopTask[];
}

export interface TopTask {
  readonly id: string;
  readonly name: string;
  readonly parallelism: number;
  readonly inPerSecond: number;
  readonly outPerSecond: number;
  /** Of the busiest subtask, from 0 to 1. */
  readonly busy: number;
  readonly backPressured: number;
}

/** A running job at a glance, once a second, in the terminal. */
export const top: Command = {
  summary: 'Watch a running job in the terminal.',
  usage: '[--interval MS] [--once] [--url http://…]',
  options: {
    ...adminOptions,
    interval: { type: 'string', placeholder: 'ms', description: 'Time between two frames. Default: 1000.' },
    once: { type: 'boolean', description: 'Print one frame and end.' },
  },
  async run({ values, terminal, signal }) {
    const intervalMs = integerOption(values, 'interval', DEFAULT_INTERVAL_MS, 100);
    const client = await AdminClient.of(values, (path) => readFile(path, 'utf8'));
    const isLive = terminal.isInteractive && values['once'] !== true && values['json'] !== true;
    let before = await scrape(client);
    if (isLive) terminal.out(ENTER);
    try {
      while (!signal.aborted) {
        await delay(intervalMs, undefined, { signal }).catch(() => undefined);
        if (signal.aborted) break;
        const now = await scrape(client);
        const frame = frameOf(before, now);
        before = now;
        if (values['json'] === true) terminal.out(`${JSON.stringify(frame)}\n`);
        else
          terminal.out(isLive ? redraw(frameText(frame, terminal.columns)) : `${frameText(frame, terminal.columns)}\n`);
        if (values['once'] === true) break;
      }
    } finally {
      if (isLive) terminal.out(LEAVE);
    }
    return EXIT_OK;
  },
};

interface Scrape {
  readonly atMs: number;
  readonly job: { readonly name: string; readonly state: string; readonly vertices: readonly Vertex[] };
  readonly samples: readonly Sample[];
}

async function scrape(client: AdminClient): Promise<Scrape> {
  const job = (await client.request('GET', `/jobs/${await client.jobId()}`)) as Scrape['job'];
  const text = (await client.request('GET', '/metrics')) as string;
  return { atMs: performance.now(), job, samples: parseMetrics(text) };
}

/** What happened between two scrapes. */
export function frameOf(before: Scrape, now: Scrape): TopFrame {
  const seconds = Math.max(0.001, (now.atMs - before.atMs) / 1000);
  const rate = (name: string, labels = {}): number =>
    Math.max(0, (sumOf(now.samples, name, labels) - sumOf(before.samples, name, labels)) / seconds);
  const latency = (quantile: number): number | null =>
    quantileBetween(before.samples, now.samples, 'millrace_http_request_duration_seconds', quantile);
  return {
    job: now.job.name,
    state: now.job.state,
    requestsPerSecond: rate('millrace_http_requests_total'),
    p50Seconds: latency(0.5),
    p99Seconds: latency(0.99),
    pending: sumOf(now.samples, 'millrace_pending_requests'),
    checkpointAgeSeconds: sumOf(now.samples, 'millrace_checkpoint_last_completed_age_seconds'),
    memoryBytes: sumOf(now.samples, 'process_resident_memory_bytes'),
    tasks: now.job.vertices.map(({ id, name, parallelism }) => ({
      id,
      name,
      parallelism,
      inPerSecond: rate('millrace_task_records_in_total', { vertex: id }),
      outPerSecond: rate('millrace_task_records_out_total', { vertex: id }),
      busy: maxOf(now.samples, 'millrace_task_busy_time_ms_per_second', { vertex: id }) / 1000,
      backPressured: maxOf(now.samples, 'millrace_task_back_pressured_time_ms_per_second', { vertex: id }) / 1000,
    })),
  };
}

const NAME_WIDTH_LEAST = 16;
/** Of everything beside the name. */
const FIGURES_WIDTH = 52;

/** A frame as lines of text. */
export function frameText(frame: TopFrame, columns: number): string {
  const nameWidth = Math.max(NAME_WIDTH_LEAST, columns - FIGURES_WIDTH);
  const head = [
    `${frame.job}  ${frame.state}`,
    `requests ${count(frame.requestsPerSecond)}/s   p50 ≤ ${milliseconds(frame.p50Seconds)}   p99 ≤ ${milliseconds(frame.p99Seconds)}   pending ${count(frame.pending)}`,
    `checkpoint ${frame.checkpointAgeSeconds < 0 ? 'none yet' : `${frame.checkpointAgeSeconds.toFixed(1)} s ago`}   memory ${(frame.memoryBytes / 2 ** 20).toFixed(0)} MiB`,
  ];
  const title = `${'task'.padEnd(nameWidth)}${['×', 'in/s', 'out/s', 'busy', 'back-pressured'].map(column).join('')}`;
  const rows = frame.tasks.map((task) => {
    const figures = [
      String(task.parallelism),
      count(task.inPerSecond),
      count(task.outPerSecond),
      percent(task.busy),
      percent(task.backPressured),
    ];
    return `${clipped(task.name, nameWidth)}${figures.map(column).join('')}`;
  });
  return [...head, '', title, ...rows].join('\n');
}

const COLUMN_WIDTHS = [4, 10, 10, 10, 16];

function column(text: string, index: number): string {
  return text.padStart(COLUMN_WIDTHS[index] ?? 0);
}

function clipped(text: string, width: number): string {
  return (text.length < width ? text : `${text.slice(0, width - 2)}…`).padEnd(width);
}

function count(value: number): string {
  if (value >= 1_000_000) return `${(value / 1_000_000).toFixed(2)} M`;
  if (value >= 10_000) return `${(value / 1000).toFixed(1)} k`;
  return value.toFixed(0);
}

function milliseconds(seconds: number | null): string {
  return seconds === null ? '–' : `${(seconds * 1000).toFixed(seconds < 0.01 ? 1 : 0)} ms`;
}

function percent(ratio: number): string {
  return `${Math.round(ratio * 100)} %`;
}

function redraw(text: string): string {
  return `${HOME}${text.replaceAll('\n', `${CLEAR_LINE}\n`)}${CLEAR_LINE}${CLEAR_BELOW}`;
}
