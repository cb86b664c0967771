import { describe, expect, it } from 'vitest';
import type { MetricReading, MetricValue } from '../../../src/api/internal/measurements.js';
import { userMetricFamilies } from '../../../src/main/user-metric-families.js';
import { formatFamilies } from '../../../src/metrics/prometheus.js';

function reading(name: string, value: MetricValue, scope: readonly string[] = []): MetricReading {
  return { scope, logicalScope: scope, variables: {}, name, value };
}

function textOf(metrics: readonly MetricReading[], hiddenCount = 0): string[] {
  const operators = [{ operatorId: 'op', metrics, hiddenCount, accumulators: [] }];
  return formatFamilies(userMetricFamilies([{ vertex: 'v', subtask: 1, operators }]))
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
}

const place = '{vertex="v",subtask="1",operator="op"}';

describe('metrics of functions in the text format', () => {
  it('have names of letters, digits and underscores', () => {
    expect(textOf([reading('größe (mm)', { kind: 'gauge', value: true }, ['a.b'])])[0]).toBe(
      `millrace_user_a_b_gr__e__mm_${place} 1`,
    );
  });

  it('leave out text', () => {
    expect(textOf([reading('version', { kind: 'gauge', value: '1.2' })])).toEqual(['millrace_user_metrics_hidden 0']);
  });

  it('never have two values on one line, nor two types under one name', () => {
    const histogram = { count: 1, sum: 1, min: 1, max: 1, mean: 1, stddev: 0, quantiles: [1, 1, 1, 1, 1, 1, 1] };
    const lines = textOf(
      [
        reading('x-y', { kind: 'gauge', value: 1 }),
        reading('x.y', { kind: 'gauge', value: 2 }),
        reading('x y', { kind: 'histogram', ...histogram }),
      ],
      3,
    );
    expect(lines).toEqual([`millrace_user_x_y${place} 1`, 'millrace_user_metrics_hidden 5']);
  });
});
