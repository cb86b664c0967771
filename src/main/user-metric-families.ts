/**
 * The metrics of the job's functions in the Prometheus text format: `millrace_user_<groups>_<name>`, a counter with
 * `_total`, a meter as a counter and as a gauge `_per_second`, a histogram as a summary.
 */
import { histogramQuantiles } from '../api/internal/measurements.js';
import type { MetricReading } from '../api/internal/measurements.js';
import type { MetricFamily, MetricSample } from '../metrics/prometheus.js';
import type { MeasuredSubtask } from './attempt-measurements.js';

type Labels = Readonly<Record<string, string | number>>;
type Family = Pick<MetricFamily, 'name' | 'type'> & { readonly samples: readonly MetricSample[] };

export function userMetricFamilies(subtasks: readonly MeasuredSubtask[]): MetricFamily[] {
  const families = new Map<string, MetricFamily & { samples: MetricSample[] }>();
  const seen = new Set<string>();
  let hiddenCount = 0;
  for (const { vertex, subtask, operators } of subtasks) {
    for (const { operatorId, metrics, hiddenCount: hiddenOfOperator } of operators) {
      hiddenCount += hiddenOfOperator;
      for (const reading of metrics) {
        for (const { name, type, samples } of familiesOf(reading, { vertex, subtask, operator: operatorId })) {
          const family = families.get(name) ?? { name, type, help: 'A metric of the job.', samples: [] };
          families.set(name, family);
          // A name stands for one type, and a line for one value: names that differ in their special characters may meet.
          const line = JSON.stringify([name, samples[0]?.labels]);
          if (family.type !== type || seen.has(line)) hiddenCount++;
          else family.samples.push(...samples);
          seen.add(line);
        }
      }
    }
  }
  const help = 'Metrics of the job that are not shown: too many, or of a name that is taken.';
  const hidden = { labels: {}, value: hiddenCount };
  return [...families.values(), { name: 'millrace_user_metrics_hidden', type: 'gauge', help, samples: [hidden] }];
}

function familiesOf({ logicalScope, variables, name, value }: MetricReading, place: Labels): Family[] {
  const fullName = `millrace_user_${[...logicalScope, name].map(prometheusName).join('_')}`;
  const ofGroups = Object.entries(variables).map(([key, text]) => [prometheusName(key), text] as const);
  const labels: Labels = { ...Object.fromEntries(ofGroups), ...place };
  switch (value.kind) {
    case 'counter':
      return [{ name: `${fullName}_total`, type: 'counter', samples: [{ labels, value: value.count }] }];
    case 'gauge':
      if (typeof value.value === 'string') return [];
      return [{ name: fullName, type: 'gauge', samples: [{ labels, value: Number(value.value) }] }];
    case 'meter':
      return [
        { name: `${fullName}_total`, type: 'counter', samples: [{ labels, value: value.count }] },
        { name: `${fullName}_per_second`, type: 'gauge', samples: [{ labels, value: value.rate }] },
      ];
    case 'histogram': {
      const quantiles = histogramQuantiles.map((quantile, index) => ({
        labels: { ...labels, quantile },
        value: value.quantiles[index] ?? 0,
      }));
      const totals: MetricSample[] = [
        { suffix: '_sum', labels, value: value.sum },
        { suffix: '_count', labels, value: value.count },
      ];
      return [{ name: fullName, type: 'summary', samples: [...quantiles, ...totals] }];
    }
  }
}

function prometheusName(text: string): string {
  return text.replaceAll(/[^A-Za-z0-9_]/g, '_');
}
