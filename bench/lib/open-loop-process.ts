/**
 * An open loop in a process of its own: requests leave at their appointed times, whatever the answers do, and each is timed
 * from the time it was appointed for. A server that stalls is thus charged with everything that came due meanwhile (no
 * coordinated omission). Takes an {@link OpenLoopPlan} as JSON in its first argument, prints one {@link OpenLoopResult} as
 * JSON per interval.
 */
import { connect, type Socket } from 'node:net';
import { createHistogram } from 'node:perf_hooks';
import type { OpenLoopPlan, OpenLoopResult } from './load.js';

const plan = JSON.parse(process.argv[2] ?? '') as OpenLoopPlan;
const { hostname, port } = new URL(plan.url);

const requests = plan.paths.map((path) => {
  const head = `POST ${path} HTTP/1.1\r\nhost: ${hostname}\r\ncontent-type: application/json\r\n`;
  return Buffer.from(`${head}content-length: ${String(plan.body.length)}\r\n\r\n${plan.body}`);
});
/** HdrHistogram, in microseconds: three digits, up to a minute. */
const histogram = createHistogram({ lowest: 1, highest: 60_000_000, figures: 3 });
/** How long the last answers are waited for. */
const DRAIN_MS = 5_000;
let sent = 0;
let failures = 0;
let lateSends = 0;

/** One request at a time on each connection; those that find none free wait here, and their time runs. */
const waiting: number[] = [];
const idle: Connection[] = [];

class Connection {
  readonly #socket: Socket;
  #appointedMs = 0;
  #received = '';

  constructor() {
    this.#socket = connect({ host: hostname, port: Number(port), noDelay: true });
    this.#socket.setEncoding('latin1');
    this.#socket.on('connect', () => this.#becomeIdle());
    this.#socket.on('data', (text: string) => this.#onData(text));
    this.#socket.on('error', () => {
      failures += 1;
    });
  }

  send(appointedMs: number): void {
    this.#appointedMs = appointedMs;
    this.#received = '';
    this.#socket.write(requests[sent++ % requests.length] ?? '');
  }

  close(): void {
    this.#socket.destroy();
  }

  #onData(text: string): void {
    this.#received += text;
    const headEnd = this.#received.indexOf('\r\n\r\n');
    if (headEnd < 0) return;
    const length = Number(/content-length: (\d+)/i.exec(this.#received)?.[1] ?? 0);
    if (this.#received.length < headEnd + 4 + length) return;
    if (!this.#received.startsWith('HTTP/1.1 2')) failures += 1;
    const latencyUs = Math.max(1, Math.round((performance.now() - this.#appointedMs) * 1000));
    histogram.record(latencyUs);
    this.#becomeIdle();
  }

  #becomeIdle(): void {
    const next = waiting.shift();
    if (next === undefined) idle.push(this);
    else this.send(next);
  }
}

function result(): OpenLoopResult {
  const ms = (percentile: number): number => histogram.percentile(percentile) / 1000;
  return {
    answered: histogram.count,
    p50Ms: ms(50),
    p99Ms: ms(99),
    p999Ms: ms(99.9),
    maxMs: histogram.max / 1000,
    failures,
    lateSends,
  };
}

const connections = Array.from({ length: plan.connections }, () => new Connection());
const gapMs = 1000 / plan.requestsPerSecond;
const beginMs = performance.now() + 100;
const endMs = beginMs + (plan.warmupSeconds + plan.seconds) * 1000;
let appointedMs = beginMs;
let intervalEndMs = beginMs + plan.warmupSeconds * 1000;
let isWarm = false;

function tick(): void {
  const nowMs = performance.now();
  for (; appointedMs <= nowMs && appointedMs < endMs; appointedMs += gapMs) {
    // A client that cannot keep its own times would measure itself.
    if (nowMs - appointedMs > 5) lateSends += 1;
    const connection = idle.pop();
    if (connection === undefined) waiting.push(appointedMs);
    else connection.send(appointedMs);
  }
  if (nowMs >= intervalEndMs) closeInterval();
  if (nowMs < endMs) setTimeout(tick, 1);
  else finish(nowMs + DRAIN_MS);
}

/** The warm-up ends, or one of several intervals does. */
function closeInterval(): void {
  if (isWarm) print();
  isWarm = true;
  histogram.reset();
  failures = 0;
  lateSends = 0;
  intervalEndMs = plan.intervalSeconds === undefined ? Infinity : intervalEndMs + plan.intervalSeconds * 1000;
}

/** The slowest answers belong to the result as well. */
function finish(deadlineMs: number): void {
  const isDrained = waiting.length === 0 && idle.length === connections.length;
  if (!isDrained && performance.now() < deadlineMs) {
    setTimeout(() => finish(deadlineMs), 5);
    return;
  }
  if (!isDrained) failures += connections.length - idle.length + waiting.length;
  if (plan.intervalSeconds === undefined) print();
  for (const connection of connections) connection.close();
}

function print(): void {
  process.stdout.write(`${JSON.stringify(result())}\n`);
}

setTimeout(tick, 100);
