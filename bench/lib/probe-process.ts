/**
 * One connection, one request after the other, over a raw socket, timed to the microsecond: the load tool counts in whole
 * milliseconds. Takes a {@link ProbePlan} as JSON in its first argument, prints a {@link ProbeResult} as JSON.
 */
import { connect } from 'node:net';
import type { ProbePlan, ProbeResult } from './load.js';

const plan = JSON.parse(process.argv[2] ?? '') as ProbePlan;
const { hostname, port } = new URL(plan.url);

const socket = connect({ host: hostname, port: Number(port), noDelay: true });
socket.setEncoding('latin1');

let received = '';
let onAnswer: (() => void) | null = null;

/** An answer is whole when its head is there and as many bytes of body as the head says. */
function isWhole(): boolean {
  const headEnd = received.indexOf('\r\n\r\n');
  if (headEnd < 0) return false;
  const length = Number(/content-length: (\d+)/i.exec(received)?.[1] ?? 0);
  return received.length >= headEnd + 4 + length;
}

socket.on('data', (text: string) => {
  received += text;
  if (isWhole()) onAnswer?.();
});

function exchange(path: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const startedAt = performance.now();
    received = '';
    onAnswer = () => {
      const elapsedMs = performance.now() - startedAt;
      if (received.startsWith('HTTP/1.1 2')) resolve(elapsedMs);
      else reject(new Error(received.slice(0, received.indexOf('\r\n'))));
    };
    const head = `POST ${path} HTTP/1.1\r\nhost: ${hostname}\r\ncontent-type: application/json\r\n`;
    socket.write(`${head}content-length: ${String(plan.body.length)}\r\n\r\n${plan.body}`);
  });
}

const timesMs: number[] = [];
for (let count = -plan.warmupRequests; count < plan.requests; count++) {
  const elapsedMs = await exchange(plan.paths[Math.abs(count) % plan.paths.length] ?? '/');
  if (count >= 0) timesMs.push(elapsedMs);
}
socket.end();

timesMs.sort((a, b) => a - b);
const at = (share: number): number => timesMs[Math.floor(share * (timesMs.length - 1))] ?? Number.NaN;
const result: ProbeResult = { p50Ms: at(0.5), p99Ms: at(0.99), p999Ms: at(0.999) };
process.stdout.write(`${JSON.stringify(result)}\n`);
