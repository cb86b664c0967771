import { describe, expect, it } from 'vitest';

import { formatFamilies, PrometheusRegistry } from '../../../src/metrics/prometheus.js';
import type { MetricFamily } from '../../../src/metrics/prometheus.js';

const counter = (operator: string, value: number): MetricFamily => ({
  name: 'millrace_records_total',
  help: 'Records.',
  type: 'counter',
  samples: [{ labels: { operator }, value }],
});

describe('the Prometheus text', () => {
  it('escapes what would end a label or a line', () => {
    const text = formatFamilies([{ ...counter('a"b\\c\nd', 1), help: 'One\\two\nthree "four".' }]);
    expect(text.split('\n')).toEqual([
      String.raw`# HELP millrace_records_total One\\two\nthree "four".`,
      '# TYPE millrace_records_total counter',
      String.raw`millrace_records_total{operator="a\"b\\c\nd"} 1`,
      '',
      '',
    ]);
  });

  it('writes infinities and the absence of a number as the format has them', () => {
    const samples = [Infinity, -Infinity, NaN, 0.5].map((value) => ({ labels: {}, value }));
    const lines = formatFamilies([{ name: 'x', help: 'X.', type: 'gauge', samples }]).split('\n');
    expect(lines.slice(2, 6)).toEqual(['x +Inf', 'x -Inf', 'x NaN', 'x 0.5']);
  });

  it('is empty when there is nothing to say', () => {
    expect(formatFamilies([])).toBe('');
  });
});

describe('PrometheusRegistry', () => {
  it('asks every source at each scrape, and makes one family of those of one name', async () => {
    const registry = new PrometheusRegistry();
    let value = 0;
    registry.register(() => [counter('map', (value += 1))]);
    registry.register(() => [counter('filter', 7)]);
    await registry.render();
    const lines = (await registry.render()).split('\n');
    expect(lines.filter((line) => line.includes('millrace_records_total'))).toEqual([
      '# HELP millrace_records_total Records.',
      '# TYPE millrace_records_total counter',
      'millrace_records_total{operator="map"} 2',
      'millrace_records_total{operator="filter"} 7',
    ]);
  });
});
