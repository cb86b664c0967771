import type { ReactElement } from 'react';

import { useLive } from '../api/hooks.js';
import type { Snapshot, Vertex } from '../api/types.js';
import type { PageProps } from '../app.js';
import { Chart } from '../components/chart.js';
import type { Series } from '../components/chart.js';
import { formatBytes, formatCount, formatDuration, formatRate } from '../components/format.js';
import { Card, LoadBar, Stat, TableFrame } from '../components/panels.js';
import { Link } from '../router.js';

/** A recovery point older than this is no longer news: a crash now would replay all of it. */
const OLD_RECOVERY_POINT_MS = 60_000;

export function OverviewPage({ snapshot }: PageProps): ReactElement {
  const { job } = snapshot;
  return (
    <>
      {!job.ready && (
        <p className="notice tone-bad" role="alert">
          Not ready: {job.reasons.join('; ')}
        </p>
      )}
      <Figures snapshot={snapshot} />
      <Charts />
      <Card title="Tasks" note={`${snapshot.vertices.length} in the graph, the busiest first`}>
        <TaskTable vertices={snapshot.vertices} />
      </Card>
    </>
  );
}

function Figures({ snapshot }: { readonly snapshot: Snapshot }): ReactElement {
  const { requests, checkpoints, job, now, topics } = snapshot;
  const lag = topics.reduce((sum, topic) => sum + (topic.lag ?? 0), 0);
  const age = checkpoints.recoveryPointAgeMs;
  return (
    <div className="stats">
      <Stat
        label="Requests"
        value={formatRate(requests.perSecond)}
        note={
          requests.errorsPerSecond > 0
            ? `${formatRate(requests.errorsPerSecond)} fail`
            : `${formatCount(requests.total)} in all`
        }
        tone={requests.errorsPerSecond > 0 ? 'bad' : 'neutral'}
      />
      <Stat label="Latency p99" value={formatDuration(requests.p99Ms)} note={`p50 ${formatDuration(requests.p50Ms)}`} />
      <Stat
        label="Pending"
        value={formatCount(requests.pendingCount)}
        note={`${formatCount(requests.waitingCount)} wait for a place`}
        tone={requests.waitingCount > 0 ? 'warn' : 'neutral'}
      />
      <Stat label="Lag" value={formatCount(lag)} note="records not yet read" tone={lag > 10_000 ? 'warn' : 'neutral'} />
      <Stat
        label="Recovery point"
        value={age === null ? 'none yet' : `${formatDuration(age)} ago`}
        note={
          checkpoints.failed > 0
            ? `${checkpoints.failed} failed`
            : `last took ${formatDuration(checkpoints.lastDurationMs ?? 0)}`
        }
        tone={age !== null && age > OLD_RECOVERY_POINT_MS ? 'bad' : 'neutral'}
      />
      <Stat
        label="Uptime"
        value={formatDuration(now - job.startTime)}
        note={`${snapshot.workers.length} worker${snapshot.workers.length === 1 ? '' : 's'}, last checkpoint ${formatBytes(checkpoints.lastSizeBytes ?? 0)}`}
      />
    </div>
  );
}

const throughput: readonly Series[] = [
  { label: 'requests', color: 'series-1', fill: true },
  { label: 'errors', color: 'series-4' },
];
const latency: readonly Series[] = [
  { label: 'p99', color: 'series-3' },
  { label: 'p50', color: 'series-2' },
];
const records: readonly Series[] = [{ label: 'records', color: 'series-2', fill: true }];
const waiting: readonly Series[] = [
  { label: 'pending', color: 'series-3', fill: true },
  { label: 'lag', color: 'series-1' },
];

function Charts(): ReactElement {
  const { history } = useLive();
  const times = history.map(({ time }) => time);
  return (
    <div className="charts">
      <Card>
        <Chart
          title="Requests per second"
          series={throughput}
          format={formatRate}
          data={[times, history.map((point) => point.requestsPerSecond), history.map((point) => point.errorsPerSecond)]}
        />
      </Card>
      <Card>
        <Chart
          title="Latency"
          series={latency}
          format={formatDuration}
          data={[times, history.map(({ p99Ms }) => p99Ms), history.map(({ p50Ms }) => p50Ms)]}
        />
      </Card>
      <Card>
        <Chart
          title="Records per second, all tasks"
          series={records}
          format={formatRate}
          data={[times, history.map((point) => point.recordsPerSecond)]}
        />
      </Card>
      <Card>
        <Chart
          title="Waiting"
          series={waiting}
          format={formatCount}
          data={[times, history.map(({ pending }) => pending), history.map(({ lag }) => lag)]}
        />
      </Card>
    </div>
  );
}

const SHOWN_MAX = 12;

function TaskTable({ vertices }: { readonly vertices: readonly Vertex[] }): ReactElement {
  const busiest = vertices.toSorted((a, b) => b.busyMax - a.busyMax).slice(0, SHOWN_MAX);
  return (
    <TableFrame label="Tasks">
      <thead>
        <tr>
          <th scope="col">Task</th>
          <th scope="col">Load</th>
          <th scope="col" className="number">
            Subtasks
          </th>
          <th scope="col" className="number">
            In
          </th>
          <th scope="col" className="number">
            Out
          </th>
          <th scope="col" className="number">
            Watermark lag
          </th>
        </tr>
      </thead>
      <tbody>
        {busiest.map((vertex) => (
          <tr key={vertex.id}>
            <th scope="row">
              <Link to={['graph', vertex.id]}>{vertex.name}</Link>
            </th>
            <td>
              <LoadBar busy={vertex.busy} idle={vertex.idle} backPressured={vertex.backPressured} />
            </td>
            <td className="number">{vertex.parallelism}</td>
            <td className="number">{formatRate(vertex.recordsInPerSecond)}</td>
            <td className="number">{formatRate(vertex.recordsOutPerSecond)}</td>
            <td className="number">{vertex.watermarkLagMs === null ? '—' : formatDuration(vertex.watermarkLagMs)}</td>
          </tr>
        ))}
      </tbody>
    </TableFrame>
  );
}
