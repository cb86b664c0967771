import { useMemo, useState } from 'react';
import type { ReactElement } from 'react';

import { jobPath } from '../api/client.js';
import { usePolled } from '../api/hooks.js';
import type { Checkpoint, CheckpointConfig, Checkpoints } from '../api/types.js';
import type { PageProps } from '../app.js';
import { Chart } from '../components/chart.js';
import type { Series } from '../components/chart.js';
import { formatBytes, formatClock, formatDuration, formatWhole } from '../components/format.js';
import { Badge, Card, EmptyState, Pending, Stat, StateBadge, TableFrame } from '../components/panels.js';

export function CheckpointsPage({ snapshot }: PageProps): ReactElement {
  const { jid } = snapshot.job;
  const { data, error } = usePolled<Checkpoints>(jobPath(jid, 'checkpoints'));
  const { data: config } = usePolled<CheckpointConfig>(jobPath(jid, 'checkpoints', 'config'), 60_000);
  if (data === null) return <Pending error={error} />;
  const { counts, summary, history, recovery_point_age: age } = data;
  const took = summary.end_to_end_duration;
  const size = summary.checkpointed_size;
  return (
    <>
      <div className="stats">
        <Stat
          label="Recovery point"
          value={age === null ? 'none yet' : `${formatDuration(age)} ago`}
          note="what a crash now would replay"
        />
        <Stat label="Completed" value={formatWhole(counts.completed)} note={`${counts.in_progress} in progress`} />
        <Stat
          label="Failed"
          value={formatWhole(counts.failed)}
          tone={counts.failed > 0 ? 'bad' : 'neutral'}
          note={counts.restored > 0 ? 'restored at start' : 'fresh start'}
        />
        <Stat
          label="Duration"
          value={formatDuration(took.p50)}
          note={`p99 ${formatDuration(took.p99)}, most ${formatDuration(took.max)}`}
        />
        <Stat label="Size" value={formatBytes(size.avg)} note={`most ${formatBytes(size.max)}`} />
        {config !== null && (
          <Stat
            label="Interval"
            value={formatDuration(config.interval)}
            note={`time-out ${formatDuration(config.timeout)}, ${config.state_backend}, keeps ${config.retained}`}
          />
        )}
      </div>
      <CheckpointCharts history={history} />
      <Card title="History" note="the newest first">
        {history.length === 0 ? <EmptyState title="No checkpoint yet" /> : <HistoryTable history={history} />}
      </Card>
    </>
  );
}

const durations: readonly Series[] = [{ label: 'duration', color: 'series-2' }];
const sizes: readonly Series[] = [{ label: 'size', color: 'series-1' }];

function CheckpointCharts({ history }: { readonly history: readonly Checkpoint[] }): ReactElement {
  const newest = history[0]?.id ?? 0;
  const { times, took, bytes } = useMemo(() => {
    const done = history.filter(({ status }) => status === 'COMPLETED').toReversed();
    return {
      times: done.map((entry) => entry.trigger_timestamp / 1000),
      took: done.map((entry) => entry.end_to_end_duration),
      bytes: done.map((entry) => entry.checkpointed_size),
    };
    // A poll without a new checkpoint draws nothing new.
  }, [newest, history.length]);
  return (
    <div className="charts">
      <Card>
        <Chart title="Duration" series={durations} format={formatDuration} data={[times, took]} bars />
      </Card>
      <Card>
        <Chart title="Bytes written" series={sizes} format={formatBytes} data={[times, bytes]} bars />
      </Card>
    </div>
  );
}

function HistoryTable({ history }: { readonly history: readonly Checkpoint[] }): ReactElement {
  const [open, setOpen] = useState<number | null>(null);
  return (
    <TableFrame label="Checkpoints">
      <thead>
        <tr>
          <th scope="col">Id</th>
          <th scope="col">State</th>
          <th scope="col">Why</th>
          <th scope="col">Triggered</th>
          <th scope="col" className="number">
            Duration
          </th>
          <th scope="col" className="number">
            Written
          </th>
          <th scope="col" className="number">
            To restore
          </th>
          <th scope="col" className="number">
            Acknowledged
          </th>
        </tr>
      </thead>
      {history.map((entry) => (
        <CheckpointRows
          key={entry.id}
          entry={entry}
          isOpen={open === entry.id}
          onToggle={() => setOpen(open === entry.id ? null : entry.id)}
        />
      ))}
    </TableFrame>
  );
}

interface RowsProps {
  readonly entry: Checkpoint;
  readonly isOpen: boolean;
  readonly onToggle: () => void;
}

function CheckpointRows({ entry, isOpen, onToggle }: RowsProps): ReactElement {
  return (
    <tbody>
      <tr>
        <th scope="row">
          <button type="button" className="row-button" aria-expanded={isOpen} onClick={onToggle}>
            {entry.id}
          </button>
        </th>
        <td>
          <StateBadge state={entry.status} />
        </td>
        <td>{entry.is_savepoint ? <Badge tone="info">savepoint</Badge> : entry.trigger_reason}</td>
        <td>{formatClock(entry.trigger_timestamp)}</td>
        <td className="number">{formatDuration(entry.end_to_end_duration)}</td>
        <td className="number">{formatBytes(entry.checkpointed_size)}</td>
        <td className="number">{formatBytes(entry.full_size)}</td>
        <td className="number">
          {entry.num_acknowledged_subtasks} / {entry.num_subtasks}
        </td>
      </tr>
      {isOpen && (
        <tr className="row-details">
          <td colSpan={8}>
            {entry.failure_message !== undefined && <p className="notice tone-bad">{entry.failure_message}</p>}
            <ul className="facts">
              {entry.workers.map((worker) => (
                <li key={worker['taskmanager-id']}>
                  <strong>{worker['taskmanager-id']}</strong> acknowledged after{' '}
                  {formatDuration(worker.ack_timestamp - entry.trigger_timestamp)}, wrote{' '}
                  {formatBytes(worker.checkpointed_size)}, stood still for {formatDuration(worker.pause)}
                </li>
              ))}
            </ul>
          </td>
        </tr>
      )}
    </tbody>
  );
}
