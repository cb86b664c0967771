import { writeSync } from 'node:fs';

/**
 * A sink that only counts, and prints how many records it took and when, as one JSON line at its end. Written straight to
 * standard output: a worker's stream would not be flushed when the process ends.
 */
export class TimedSink {
  #count = 0;
  #firstMs = 0;

  invoke(): void {
    if (this.#count === 0) this.#firstMs = now();
    this.#count++;
  }

  /** Before the checkpoint at the end, which is none of the work. */
  finish(): void {
    if (this.#count === 0) return;
    writeSync(1, `${JSON.stringify({ count: this.#count, firstMs: this.#firstMs, lastMs: now() })}\n`);
  }
}

function now(): number {
  return performance.timeOrigin + performance.now();
}

/** Records per second over all subtasks' lines, from the first record of any to the end of all. */
export function recordsPerSecond(output: string, expectedCount: number): number {
  const lines = output
    .split('\n')
    .filter((line) => line.startsWith('{"count"'))
    .map((line) => JSON.parse(line) as { count: number; firstMs: number; lastMs: number });
  const count = lines.reduce((sum, line) => sum + line.count, 0);
  if (count !== expectedCount) throw new Error(`${String(count)} of ${String(expectedCount)} records reached the sink`);
  const from = Math.min(...lines.map(({ firstMs }) => firstMs));
  const to = Math.max(...lines.map(({ lastMs }) => lastMs));
  return (count * 1000) / (to - from);
}
