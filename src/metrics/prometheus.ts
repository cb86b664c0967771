/**
 * Metrics in the Prometheus text format. The parts of Millrace count in plain fields and shared memory, and are asked here
 * only when someone scrapes: nothing on the data path knows of this file.
 *
 * Thread: main.
 */

/** One line of the text format. */
export interface MetricSample {
  /** Of a histogram: `_bucket`, `_sum` or `_count`; of a summary the last two. */
  readonly suffix?: '_bucket' | '_sum' | '_count';
  /** Of bounded number: route, operator, subtask, topic. Never a key. */
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
}

/** A metric with all its samples. Name: `millrace_<noun>_<unit>`. */
export interface MetricFamily {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram' | 'summary';
  readonly samples: readonly MetricSample[];
}

/** A histogram as it is counted: `counts` has one more than there are bounds, for what lies above the last. */
export interface CountedHistogram {
  readonly bounds: readonly number[];
  readonly counts: readonly number[];
  readonly sum: number;
}

/** The lines of a histogram; none while it is empty. */
export function histogramSamples(
  labels: MetricSample['labels'],
  { bounds, counts, sum }: CountedHistogram,
): MetricSample[] {
  const samples: MetricSample[] = [];
  let cumulative = 0;
  for (const [bucket, count] of counts.entries()) {
    cumulative += count;
    samples.push({ suffix: '_bucket', labels: { ...labels, le: bounds[bucket] ?? '+Inf' }, value: cumulative });
  }
  if (cumulative === 0) return [];
  samples.push({ suffix: '_sum', labels, value: sum }, { suffix: '_count', labels, value: cumulative });
  return samples;
}

/** Asked for its metrics at each scrape. Families of one name from several sources become one. */
export type MetricSource = () => readonly MetricFamily[] | Promise<readonly MetricFamily[]>;

export const PROMETHEUS_CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** Gathers what the parts of the process report. */
export class PrometheusRegistry {
  readonly #sources: MetricSource[] = [];

  /** Adds a part. It is asked at each scrape from now on, in order of registration. */
  register(source: MetricSource): void {
    this.#sources.push(source);
  }

  /** Everything, as text. */
  async render(): Promise<string> {
    const families = await Promise.all(this.#sources.map(async (source) => source()));
    return formatFamilies(mergeByName(families.flat()));
  }
}

function mergeByName(families: readonly MetricFamily[]): Iterable<MetricFamily> {
  const merged = new Map<string, MetricFamily>();
  for (const family of families) {
    const earlier = merged.get(family.name);
    merged.set(
      family.name,
      earlier === undefined ? family : { ...earlier, samples: [...earlier.samples, ...family.samples] },
    );
  }
  return merged.values();
}

/** Metrics in the text format, version 0.0.4. */
export function formatFamilies(families: Iterable<MetricFamily>): string {
  let text = '';
  for (const { name, help, type, samples } of families) {
    text += `# HELP ${name} ${escapeHelp(help)}\n# TYPE ${name} ${type}\n`;
    for (const { suffix = '', labels, value } of samples) {
      text += `${name}${suffix}${formatLabels(labels)} ${formatValue(value)}\n`;
    }
    text += '\n';
  }
  return text;
}

function formatLabels(labels: Readonly<Record<string, string | number>>): string {
  let text = '';
  for (const name in labels) {
    const value = labels[name] ?? '';
    text += `${text === '' ? '{' : ','}${name}="${typeof value === 'number' ? value : escapeLabel(value)}"`;
  }
  return text === '' ? '' : `${text}}`;
}

function formatValue(value: number): string {
  if (value === Infinity) return '+Inf';
  return value === -Infinity ? '-Inf' : String(value);
}

function escapeHelp(text: string): string {
  return text.replaceAll('\\', String.raw`\\`).replaceAll('\n', String.raw`\n`);
}

function escapeLabel(text: string): string {
  // Most have nothing to escape.
  if (!/[\\\n"]/.test(text)) return text;
  return escapeHelp(text).replaceAll('"', String.raw`\"`);
}
