import { Handle, Position } from '@xyflow/react';
import type { Node, NodeProps } from '@xyflow/react';
import { memo } from 'react';
import type { ReactElement } from 'react';

import type { Vertex } from '../api/types.js';
import { formatDuration, formatPercent, formatRate } from '../components/format.js';
import { LoadBar } from '../components/panels.js';
import { shownOperators } from './layout.js';

export type TaskNode = Node<{ readonly vertex: Vertex; readonly lag: number | null }, 'task'>;

/** The box of one task: what it does, how busy it is, what goes through it. */
export const TaskNodeView = memo(function TaskNodeView({ data, selected }: NodeProps<TaskNode>): ReactElement {
  const { vertex, lag } = data;
  const shownCount = shownOperators(vertex);
  const hidden = vertex.operators.length - shownCount;
  return (
    <div className={`task heat-${heatOf(vertex)} ${selected ? 'selected' : ''}`}>
      <Handle type="target" position={Position.Left} isConnectable={false} />
      <header>
        <strong className="truncate" title={vertex.name}>
          {vertex.id}
        </strong>
        <span className="parallelism">×{vertex.parallelism}</span>
      </header>
      <ol>
        {vertex.operators.slice(0, shownCount).map(({ uid, name }) => (
          <li key={uid} className="truncate" title={name}>
            {name}
          </li>
        ))}
        {hidden > 0 && <li className="muted">and {hidden} more</li>}
      </ol>
      <LoadBar busy={vertex.busy} idle={vertex.idle} backPressured={vertex.backPressured} />
      <footer>
        <span>{stateOf(vertex)}</span>
        <span>{formatRate(vertex.recordsInPerSecond)}</span>
      </footer>
      <footer className="muted">
        <span>{lag === null ? '' : `lag ${lag}`}</span>
        <span>{vertex.watermarkLagMs === null ? '' : `watermark ${formatDuration(vertex.watermarkLagMs)} behind`}</span>
      </footer>
      <Handle type="source" position={Position.Right} isConnectable={false} />
    </div>
  );
});

export type Heat = 'idle' | 'calm' | 'busy' | 'hot' | 'blocked';

/** The colour of a task: by its back-pressure if it has some, else by its busiest subtask. */
export function heatOf({ backPressured, busyMax }: Vertex): Heat {
  if (backPressured > 0.1) return 'blocked';
  if (busyMax > 0.8) return 'hot';
  if (busyMax > 0.5) return 'busy';
  return busyMax > 0.02 ? 'calm' : 'idle';
}

function stateOf(vertex: Vertex): string {
  if (vertex.backPressured > 0.1) return `back-pressured ${formatPercent(vertex.backPressured)}`;
  return `busy ${formatPercent(vertex.busyMax)}`;
}
