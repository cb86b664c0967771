/** What a server says of its own main thread at /metrics. */
export interface ProcessMetrics {
  /** Spent in the garbage collector since the start. */
  readonly gcSeconds: number;
  /** Of all collections since the start, minor ones among them. */
  readonly gcMeanMs: number;
  /** Since the last time it was read. */
  readonly loopP99Ms: number;
}

export async function readProcessMetrics(url: string): Promise<ProcessMetrics> {
  const response = await fetch(`${url}/metrics`);
  const text = await response.text();
  const sumOf = (name: string): number =>
    [...text.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, 'gm'))].reduce(
      (sum, [, value]) => sum + Number(value),
      0,
    );
  const gcSeconds = sumOf('nodejs_gc_duration_seconds_sum');
  const gcCount = sumOf('nodejs_gc_duration_seconds_count');
  return {
    gcSeconds,
    gcMeanMs: gcCount === 0 ? 0 : (gcSeconds * 1000) / gcCount,
    loopP99Ms: sumOf('nodejs_eventloop_lag_p99_seconds') * 1000,
  };
}
