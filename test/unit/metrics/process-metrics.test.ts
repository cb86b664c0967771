import { runInNewContext } from 'node:vm';
import { setFlagsFromString } from 'node:v8';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ProcessMetrics } from '../../../src/metrics/process-metrics.js';
import type { MetricSample } from '../../../src/metrics/prometheus.js';
import { readProjectFile } from '../../helpers/project-files.js';

describe('the metrics of the process', () => {
  let metrics: ProcessMetrics;

  beforeEach(() => {
    metrics = new ProcessMetrics();
  });

  afterEach(() => metrics.stop());

  const samplesOf = (name: string): readonly MetricSample[] =>
    metrics.families().find((family) => family.name === name)?.samples ?? [];
  const valueOf = (name: string): number => samplesOf(name)[0]?.value ?? Number.NaN;

  it('are those that docs/metrics.md lists', () => {
    const documented = [...readProjectFile('docs/metrics.md').matchAll(/`((?:process|nodejs)_[a-z0-9_]+)`/g)];
    const names = metrics.families().map(({ name }) => name);
    expect(names.toSorted()).toEqual(documented.map((match) => match[1] ?? '').toSorted());
  });

  it('say what the process uses now', () => {
    expect(valueOf('process_resident_memory_bytes')).toBeGreaterThan(valueOf('nodejs_heap_size_used_bytes'));
    const before = valueOf('process_cpu_seconds_total');
    const untilMs = performance.now() + 30;
    while (performance.now() < untilMs);
    expect(valueOf('process_cpu_seconds_total')).toBeGreaterThan(before);
    expect(valueOf('process_open_fds')).toBeGreaterThan(2);
    expect(samplesOf('nodejs_heap_space_size_used_bytes').map(({ labels }) => labels['space'])).toContain('old');
  });

  it('count collections by kind, and the delays of the event loop since somebody asked', async () => {
    setFlagsFromString('--expose-gc');
    (runInNewContext('gc') as () => void)();
    const major = (): number =>
      samplesOf('nodejs_gc_duration_seconds').find(
        ({ suffix, labels }) => suffix === '_count' && labels['kind'] === 'major',
      )?.value ?? 0;
    await expect.poll(major, { timeout: 20_000 }).toBeGreaterThan(0);
    const buckets = samplesOf('nodejs_gc_duration_seconds').filter(
      ({ suffix, labels }) => suffix === '_bucket' && labels['kind'] === 'major',
    );
    expect(buckets.map(({ labels }) => labels['le'])).toEqual([0.001, 0.01, 0.1, 1, 2, 5, '+Inf']);
    expect(buckets.at(-1)?.value).toBe(major());

    let longest = 0;
    const block = async (): Promise<number> => {
      const untilMs = performance.now() + 150;
      while (performance.now() < untilMs);
      // Its timer is due now.
      for (let turn = 0; turn < 2; turn++) await new Promise((resolve) => setImmediate(resolve));
      return (longest = Math.max(longest, valueOf('nodejs_eventloop_lag_max_seconds')));
    };
    await expect.poll(block, { timeout: 20_000 }).toBeGreaterThan(0.1);
  });
});
