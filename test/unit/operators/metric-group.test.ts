import { describe, expect, it } from 'vitest';
import type { MetricValue } from '../../../src/api/internal/measurements.js';
import { METER_INTERVAL_MS, OperatorMetrics } from '../../../src/operators/metric-group.js';
import { refusalOf } from '../../helpers/refusal-of.js';

function metricsAt(time: { nowMs: number }): OperatorMetrics {
  return new OperatorMetrics('op', { nowMs: () => time.nowMs });
}

function valueOf(metrics: OperatorMetrics, name: string): MetricValue | undefined {
  return metrics.read().find((reading) => reading.name === name)?.value;
}

describe('the metrics of an operator', () => {
  it('have their groups in their names, and values of groups as variables', () => {
    const metrics = metricsAt({ nowMs: 0 });
    const group = metrics.root.addGroup('a').addGroup('source', 'web');
    group.counter('hits').inc(3);
    expect(group.getMetricIdentifier('hits')).toBe('op.a.source.web.hits');
    expect(metrics.read()).toEqual([
      {
        scope: ['a', 'source', 'web'],
        logicalScope: ['a', 'source'],
        variables: { source: 'web' },
        name: 'hits',
        value: { kind: 'counter', count: 3 },
      },
    ]);
  });

  it('are shown once per name and group, and no more than 200 of them; all work', () => {
    const metrics = metricsAt({ nowMs: 0 });
    metrics.root.counter('twice').inc();
    const hidden = metrics.root.addGroup('other').addGroup('x');
    hidden.counter('twice');
    const second = metrics.root.counter('twice');
    second.inc(7);
    expect(second.getCount()).toBe(7);
    expect(metrics.hiddenCount).toBe(1);
    for (let index = 0; index < 300; index++) metrics.root.counter(`c${String(index)}`);
    expect(metrics.read()).toHaveLength(200);
    expect(metrics.hiddenCount).toBe(1 + 102);
    expect(metrics.root.addGroup('other')).toBe(metrics.root.addGroup('other'));
  });

  it('leave out a gauge that throws', () => {
    const metrics = metricsAt({ nowMs: 0 });
    metrics.root.gauge('fine', () => true);
    metrics.root.gauge('broken', () => {
      throw new Error('no');
    });
    expect(metrics.read().map(({ name, value }) => [name, value])).toEqual([['fine', { kind: 'gauge', value: true }]]);
  });

  it('take a rate over the meter’s time span, which ends when nothing comes any more', () => {
    const time = { nowMs: 1_000 };
    const metrics = metricsAt(time);
    const meter = metrics.root.meter('events', { timeSpanInSeconds: 10 });
    meter.markEvent(30);
    expect(valueOf(metrics, 'events')).toEqual({ kind: 'meter', count: 30, rate: 0 });
    time.nowMs += METER_INTERVAL_MS;
    expect(valueOf(metrics, 'events')).toEqual({ kind: 'meter', count: 30, rate: 3 });
    meter.markEvent(20);
    time.nowMs += METER_INTERVAL_MS;
    expect(valueOf(metrics, 'events')).toEqual({ kind: 'meter', count: 50, rate: 5 });
    time.nowMs += METER_INTERVAL_MS;
    expect(valueOf(metrics, 'events')).toEqual({ kind: 'meter', count: 50, rate: 2 });
    // Nobody came by for an hour, in which nothing was processed.
    time.nowMs += 3_600_000;
    expect(valueOf(metrics, 'events')).toEqual({ kind: 'meter', count: 50, rate: 0 });
  });

  it('describe the newest values of a histogram, and count all', () => {
    const metrics = metricsAt({ nowMs: 0 });
    const histogram = metrics.root.histogram('ms', { windowSize: 4 });
    expect(histogram.getStatistics()).toMatchObject({ size: 0, min: 0, max: 0, mean: 0, stddev: 0 });
    for (const value of [1_000, 2_000, 1, 2, 3, 4]) histogram.update(value);
    const statistics = histogram.getStatistics();
    expect(statistics).toMatchObject({ size: 4, min: 1, max: 4, mean: 2.5 });
    expect(statistics.stddev).toBeCloseTo(Math.sqrt(5 / 3), 12);
    expect([0, 0.5, 0.75, 1].map((quantile) => statistics.getQuantile(quantile))).toEqual([1, 2.5, 3.75, 4]);
    expect(valueOf(metrics, 'ms')).toMatchObject({ kind: 'histogram', count: 6, sum: 3_010 });
  });

  it('refuse sizes and time spans that are out of bounds, with the metric’s name', () => {
    const { root } = metricsAt({ nowMs: 0 });
    for (const windowSize of [0, 1.5, 10_001, Number.NaN]) {
      expect(refusalOf(() => root.histogram('h', { windowSize }))).toContain('"op.h"');
    }
    for (const timeSpanInSeconds of [0, 7, 3_605]) {
      expect(refusalOf(() => root.meter('m', { timeSpanInSeconds }))).toContain('"op.m"');
    }
    expect(refusalOf(() => root.counter(''))).toContain('without a name');
  });
});
