import { useEffect, useRef } from 'react';
import type { ReactElement } from 'react';
import uPlot from 'uplot';

import { formatClock } from './format.js';
import { useTheme } from './theme.js';

export interface Series {
  readonly label: string;
  /** Name of a colour variable of the style sheet. */
  readonly color: string;
  readonly fill?: boolean;
}

interface ChartProps {
  readonly title: string;
  readonly series: readonly Series[];
  /** Seconds since the epoch, then the values of each series. */
  readonly data: readonly (readonly number[])[];
  readonly format: (value: number) => string;
  readonly height?: number;
  readonly bars?: boolean;
}

/** A chart over time. What it draws stands beside it in words, for who does not see it. */
export function Chart({ title, series, data, format, height = 160, bars = false }: ChartProps): ReactElement {
  const host = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const latest = useRef(data);
  latest.current = data;
  const { theme } = useTheme();
  const key = series.map(({ label, color }) => `${label}:${color}`).join();

  useEffect(() => {
    const element = host.current;
    if (element === null) return undefined;
    const made = new uPlot(
      optionsOf({ series, format, height, bars, width: element.clientWidth }),
      aligned(latest.current),
      element,
    );
    plot.current = made;
    const observer = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height }));
    observer.observe(element);
    return () => {
      observer.disconnect();
      made.destroy();
      plot.current = null;
    };
    // `key` stands for `series`, which is made anew with each render.
  }, [key, theme, height, bars, format]);

  useEffect(() => plot.current?.setData(aligned(data)), [data]);

  const values = series.map(({ label }, index) => `${label} ${format(data[index + 1]?.at(-1) ?? 0)}`);
  return (
    <figure className="chart">
      <figcaption>
        <span>{title}</span>
        <ul className="legend">
          {series.map(({ label, color }, index) => (
            <li key={label}>
              <span className={`swatch ${color}`} aria-hidden="true" />
              {label} <strong>{format(data[index + 1]?.at(-1) ?? 0)}</strong>
            </li>
          ))}
        </ul>
      </figcaption>
      <div ref={host} className="chart-canvas" role="img" aria-label={`${title}: now ${values.join(', ')}`} />
    </figure>
  );
}

function aligned(data: readonly (readonly number[])[]): uPlot.AlignedData {
  return data.map((values) => [...values]) as unknown as uPlot.AlignedData;
}

/** At least so many seconds: the first points of a line are not stretched over the whole width. */
const SPAN_MIN = 60;

function spread({ data: [times] }: uPlot): [number, number] {
  // Not what the plot proposes, which for a single point is a day.
  const most = times.at(-1) ?? 0;
  return [Math.min(times[0] ?? most, most - SPAN_MIN), most];
}

/** Half a bar of room at both ends. */
function padded({ data: [times] }: uPlot): [number, number] {
  const [least = 0, most = least] = [times[0], times.at(-1)];
  const room = Math.max(1, (most - least) / 40);
  return [least - room, most + room];
}

/** Values that read alike, such as halves of what is counted, are named once. */
function withoutRepeats(labels: readonly string[]): string[] {
  return labels.map((label, index) => (label === labels[index - 1] ? '' : label));
}

interface PlotOptions {
  readonly series: readonly Series[];
  readonly format: (value: number) => string;
  readonly height: number;
  readonly width: number;
  readonly bars: boolean;
}

function optionsOf({ series, format, height, width, bars }: PlotOptions): uPlot.Options {
  const styles = getComputedStyle(document.documentElement);
  const color = (name: string): string => styles.getPropertyValue(`--${name}`).trim();
  const axis = { stroke: color('muted'), font: '11px system-ui', grid: { stroke: color('grid'), width: 1 } };
  const barPaths = uPlot.paths.bars?.({ size: [0.7, 24], radius: 0.15 });
  return {
    width,
    height,
    padding: [8, 8, 0, 0],
    legend: { show: false },
    cursor: { y: false, points: { size: 6 } },
    scales: {
      x: { range: bars ? padded : spread },
      y: { range: (_plot, _least, most) => [0, Math.max(most * 1.15, 1)] },
    },
    axes: [
      {
        ...axis,
        ticks: { show: false },
        grid: { show: false },
        space: 80,
        size: 26,
        values: (_plot, values) => values.map((seconds) => formatClock(seconds * 1000)),
      },
      {
        ...axis,
        ticks: { show: false },
        size: 62,
        values: (_plot, values) => withoutRepeats(values.map((value) => format(value))),
        space: 36,
      },
    ],
    series: [
      {},
      ...series.map(({ label, color: name, fill = false }): uPlot.Series => ({
        label,
        stroke: color(name),
        width: bars ? 0 : 2,
        points: { show: false },
        ...(fill || bars ? { fill: bars ? color(name) : `${color(name)}26` } : {}),
        ...(bars && barPaths !== undefined ? { paths: barPaths } : {}),
      })),
    ],
  };
}
