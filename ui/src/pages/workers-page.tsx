import type { ReactElement } from 'react';

import type { Worker } from '../api/types.js';
import type { PageProps } from '../app.js';
import { formatBytes, formatCount, formatDuration, formatPercent } from '../components/format.js';
import { Card, Meter, StateBadge } from '../components/panels.js';
import { Link } from '../router.js';

export function WorkersPage({ snapshot }: PageProps): ReactElement {
  return (
    <div className="worker-grid">
      {snapshot.workers.map((worker) => (
        <WorkerCard key={worker.id} worker={worker} />
      ))}
    </div>
  );
}

function WorkerCard({ worker }: { readonly worker: Worker }): ReactElement {
  const { id, state, cpuLoad, runningRatio, memory, garbageCollection, loop, subtasks } = worker;
  const heapRatio = memory.heapLimit === 0 ? 0 : memory.heapUsed / memory.heapLimit;
  return (
    <Card title={id} actions={<StateBadge state={state} />}>
      <dl className="meters">
        <MeterRow
          name="Processor"
          ratio={cpuLoad ?? runningRatio}
          value={cpuLoad === null ? '—' : formatPercent(cpuLoad)}
        />
        <MeterRow name="Loop runs" ratio={runningRatio} value={formatPercent(runningRatio)} />
        <MeterRow
          name="Heap"
          ratio={heapRatio}
          value={`${formatBytes(memory.heapUsed)} of ${formatBytes(memory.heapLimit)}`}
        />
      </dl>
      <dl className="pairs two-columns">
        <Pair name="External memory" value={formatBytes(memory.external)} />
        <Pair name="Longest turn" value={formatDuration(loop.longestTurn)} />
        <Pair name="Collections" value={formatCount(garbageCollection.count)} />
        <Pair name="Time in them" value={formatDuration(garbageCollection.time)} />
        <Pair name="Turns" value={formatCount(loop.turns)} />
        <Pair name="Slept" value={`${formatCount(loop.parks)} times`} />
      </dl>
      <h3>Subtasks</h3>
      <ul className="chips">
        {subtasks.map(({ vertex, subtask }) => (
          <li key={`${vertex}:${subtask}`}>
            <Link to={['graph', vertex]}>
              {vertex} #{subtask}
            </Link>
          </li>
        ))}
      </ul>
    </Card>
  );
}

interface MeterRowProps {
  readonly name: string;
  readonly ratio: number;
  readonly value: string;
}

function MeterRow({ name, ratio, value }: MeterRowProps): ReactElement {
  const tone = ratio > 0.9 ? 'bad' : ratio > 0.7 ? 'warn' : 'info';
  return (
    <div>
      <dt>{name}</dt>
      <dd>
        <Meter ratio={ratio} label={name} tone={tone} />
        <span>{value}</span>
      </dd>
    </div>
  );
}

function Pair({ name, value }: { readonly name: string; readonly value: string }): ReactElement {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}
