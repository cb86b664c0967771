import { useEffect, useRef } from 'react';
import type { ReactElement } from 'react';

import { jobPath } from '../api/client.js';
import { usePolled } from '../api/hooks.js';
import type { Edge, HotKeys, Snapshot, Subtask, Vertex, VertexDetails, WatermarkMetric } from '../api/types.js';
import { formatCount, formatDate, formatDuration, formatPercent, formatRate } from '../components/format.js';
import { Icon } from '../components/icon.js';
import { LoadBar, Meter, Pending, TableFrame } from '../components/panels.js';
import { goTo } from '../router.js';

interface PanelProps {
  readonly vertex: Vertex;
  readonly snapshot: Snapshot;
}

/** Everything about one task, beside the graph. */
export function VertexPanel({ vertex, snapshot }: PanelProps): ReactElement {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => heading.current?.focus(), []);
  return (
    <aside className="vertex-panel" aria-label={`Task ${vertex.id}`}>
      <header>
        <h2 ref={heading} tabIndex={-1}>
          {vertex.id}
        </h2>
        <button type="button" className="icon-button" aria-label="Close" onClick={() => goTo('graph')}>
          <Icon name="close" />
        </button>
      </header>
      <p className="muted">{vertex.name}</p>
      <dl className="pairs two-columns">
        <div>
          <dt>In</dt>
          <dd>
            {formatRate(vertex.recordsInPerSecond)} <span className="muted">{formatCount(vertex.recordsIn)}</span>
          </dd>
        </div>
        <div>
          <dt>Out</dt>
          <dd>
            {formatRate(vertex.recordsOutPerSecond)} <span className="muted">{formatCount(vertex.recordsOut)}</span>
          </dd>
        </div>
        <div>
          <dt>Skew</dt>
          <dd>{formatPercent(vertex.skew)}</dd>
        </div>
        <div>
          <dt>Watermark</dt>
          <dd>{watermarkText(vertex)}</dd>
        </div>
      </dl>
      <Subtasks vertex={vertex} jid={snapshot.job.jid} />
      <HotKeyLists vertex={vertex} jid={snapshot.job.jid} />
      <Rings edges={snapshot.edges.filter(({ source, target }) => source === vertex.id || target === vertex.id)} />
    </aside>
  );
}

function watermarkText({ watermark, watermarkLagMs }: Vertex): string {
  if (watermark === null) return 'none';
  return watermarkLagMs === null
    ? 'end of input'
    : `${formatDate(watermark)} (${formatDuration(watermarkLagMs)} behind)`;
}

function Subtasks({ vertex, jid }: { readonly vertex: Vertex; readonly jid: string }): ReactElement {
  const path = jobPath(jid, 'vertices', vertex.id);
  const { data, before, error } = usePolled<VertexDetails>(path, 2000);
  const { data: watermarks } = usePolled<readonly WatermarkMetric[]>(`${path}/watermarks`, 3000);
  if (data === null) return <Pending error={error} />;
  const most = Math.max(1, ...data.subtasks.map(({ metrics }) => metrics['read-records']));
  return (
    <>
      <h3>Subtasks</h3>
      <TableFrame label="Subtasks">
        <thead>
          <tr>
            <th scope="col">#</th>
            <th scope="col">Worker</th>
            <th scope="col">Load</th>
            <th scope="col">Records in</th>
            <th scope="col" className="number">
              Out
            </th>
            <th scope="col" className="number">
              Watermark
            </th>
          </tr>
        </thead>
        <tbody>
          {data.subtasks.map((status) => {
            const { subtask, metrics, 'taskmanager-id': worker } = status;
            const records = metrics['read-records'];
            return (
              <tr key={subtask}>
                <th scope="row">{subtask}</th>
                <td>{worker}</td>
                <td>
                  <LoadBar {...loadSince(before, status)} />
                </td>
                <td>
                  <Meter ratio={records / most} label={`Records of subtask ${subtask} beside the fullest`} />{' '}
                  {formatCount(records)}
                </td>
                <td className="number">{formatCount(metrics['write-records'])}</td>
                <td className="number">{watermarkOf(watermarks, subtask)}</td>
              </tr>
            );
          })}
        </tbody>
      </TableFrame>
      {watermarks !== null && <Waiting vertex={vertex} watermarks={watermarks} />}
    </>
  );
}

/** Kinds of operators that wait for event time. */
const WINDOW_KINDS: ReadonlySet<string> = new Set(['window', 'window-all', 'interval-join']);

interface Load {
  readonly busy: number;
  readonly idle: number;
  readonly backPressured: number;
}

/** What a subtask did with its time since the answer before; at first, since it runs. */
function loadSince(before: VertexDetails | null, { subtask, attempt, metrics }: Subtask): Load {
  // An attempt of the job counts from nothing.
  const earlier = before?.subtasks.find((each) => each.subtask === subtask && each.attempt === attempt)?.metrics;
  const since = (name: keyof Subtask['metrics']): number => Math.max(0, metrics[name] - (earlier?.[name] ?? 0));
  const busy = since('accumulated-busy-time');
  const idle = since('accumulated-idle-time');
  const backPressured = since('accumulated-backpressured-time');
  const all = Math.max(1, busy + idle + backPressured);
  return { busy: busy / all, idle: idle / all, backPressured: backPressured / all };
}

interface WaitingProps {
  readonly vertex: Vertex;
  readonly watermarks: readonly WatermarkMetric[];
}

/** Why a window does not fire, or why those behind this task do not: what holds the watermark of each subtask back. */
function Waiting({ vertex, watermarks }: WaitingProps): ReactElement {
  const hasWindows = vertex.operators.some(({ kind }) => WINDOW_KINDS.has(kind));
  return (
    <>
      <h3>{hasWindows ? 'What the windows wait for' : 'Where event time stands'}</h3>
      <ul className="explanations">
        {watermarks.map(({ subtask, explanation }) => (
          <li key={subtask}>
            <strong>#{subtask}</strong> {explanation}
          </li>
        ))}
      </ul>
    </>
  );
}

/** Beyond what a date can be: before the first record, and after the last. */
const DATE_MAX = 8.64e15;

function watermarkOf(watermarks: readonly WatermarkMetric[] | null, subtask: number): string {
  const value = Number(watermarks?.[subtask]?.value ?? Number.NaN);
  if (Number.isNaN(value) || value < -DATE_MAX) return '—';
  return value > DATE_MAX ? 'end' : formatDate(value);
}

/** Which keys come most often, where there are keys. */
function HotKeyLists({ vertex, jid }: { readonly vertex: Vertex; readonly jid: string }): ReactElement | null {
  const { data } = usePolled<HotKeys>(`${jobPath(jid, 'vertices', vertex.id)}/hot-keys`, 5000);
  const operators = data?.operators.filter(({ keys }) => keys.length > 0) ?? [];
  if (operators.length === 0) return null;
  return (
    <>
      <h3>Hot keys</h3>
      {operators.map(({ uid, sampledCount, keys }) => (
        <ul
          key={uid}
          className="rings"
          aria-label={`Hot keys of ${uid}`}
          title={`by ${Math.round(sampledCount)} samples`}
        >
          {keys.slice(0, 8).map(({ key, share, subtask }) => (
            <li key={key}>
              <span className="truncate">
                {key} <span className="muted">subtask {subtask}</span>
              </span>
              <Meter ratio={share} label={`Share of the key ${key}`} tone={share > 0.25 ? 'warn' : 'info'} />
              <span className="number">{formatPercent(share)}</span>
            </li>
          ))}
        </ul>
      ))}
    </>
  );
}

function Rings({ edges }: { readonly edges: readonly Edge[] }): ReactElement | null {
  if (edges.length === 0) return null;
  return (
    <>
      <h3>Rings</h3>
      <ul className="rings">
        {edges.map(({ source, target, exchange, fillRatioMax, sideTag }) => (
          <li key={`${source}>${target}>${sideTag ?? ''}`}>
            <span className="truncate">
              {source} <Icon name="chevron" size={12} /> {target} <span className="muted">{exchange}</span>
            </span>
            <Meter
              ratio={fillRatioMax}
              label={`Fullest ring from ${source} to ${target}`}
              tone={fillRatioMax > 0.5 ? 'warn' : 'info'}
            />
            <span className="number">{formatPercent(fillRatioMax)}</span>
          </li>
        ))}
      </ul>
    </>
  );
}
