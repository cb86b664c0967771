/** What a benchmark measures, and how it is shown. */

/** One figure. */
export interface Row {
  /** `counters, 64 connections: requests` */
  readonly name: string;
  readonly value: number;
  /** `requests/s`, `ms`, `records/s`, `MiB`, … */
  readonly unit: string;
  /** The same work done by a peer or a limit, measured in the same run. */
  readonly against?: { readonly name: string; readonly ratio: number };
  /** What the project promises of this figure. */
  readonly target?: { readonly text: string; readonly isMet: boolean };
}

export interface Suite {
  /** As given on the command line. */
  readonly name: string;
  /** `isNamed`: the suite was asked for by name, and may take its time. */
  readonly run: (isNamed: boolean) => Promise<readonly Row[]>;
}

export interface SuiteResult {
  readonly suite: string;
  readonly seconds: number;
  readonly rows: readonly Row[];
}

/** The middle one; of an even count the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2;
}

/** A target of the form "at least". */
export function atLeast(value: number, bound: number, text: string): { text: string; isMet: boolean } {
  return { text: `≥ ${text}`, isMet: value >= bound };
}

/** A target of the form "at most". */
export function atMost(value: number, bound: number, text: string): { text: string; isMet: boolean } {
  return { text: `≤ ${text}`, isMet: value <= bound };
}

/** All results as one table in plain text. */
export function formatTable(results: readonly SuiteResult[]): string {
  const lines = [['suite', 'what', 'value', 'unit', 'ratio', 'target', '']];
  for (const { suite, rows } of results) {
    for (const { name, value, unit, against, target } of rows) {
      const ratio = against === undefined ? '' : `${against.ratio.toFixed(2)} × ${against.name}`;
      const verdict = target === undefined ? '' : target.isMet ? 'met' : 'MISSED';
      lines.push([suite, name, formatValue(value), unit, ratio, target?.text ?? '', verdict]);
    }
  }
  const widths = lines[0]?.map((_, column) => Math.max(...lines.map((line) => (line[column] ?? '').length))) ?? [];
  return lines
    .map((line) =>
      line
        .map((cell, column) => (column === 2 ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

function formatValue(value: number): string {
  if (value >= 1000) return Math.round(value).toLocaleString('en-US');
  return value >= 10 ? value.toFixed(1) : value.toFixed(2);
}
