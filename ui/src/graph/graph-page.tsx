import { Background, Controls, MarkerType, ReactFlow } from '@xyflow/react';
import type { Edge as FlowEdge } from '@xyflow/react';
import { useMemo, useState } from 'react';
import type { ReactElement } from 'react';

import type { Edge, Snapshot } from '../api/types.js';
import type { PageProps } from '../app.js';
import { formatDuration, formatPercent, formatRate } from '../components/format.js';
import { Card, LoadBar, TableFrame } from '../components/panels.js';
import { useTheme } from '../components/theme.js';
import { goTo, Link } from '../router.js';
import { layOut, NODE_WIDTH } from './layout.js';
import { TaskNodeView } from './task-node.js';
import type { TaskNode } from './task-node.js';
import { VertexPanel } from './vertex-panel.js';

const nodeTypes = { task: TaskNodeView };

export function GraphPage({ snapshot, rest: [chosenId] }: PageProps): ReactElement {
  const [isList, setIsList] = useState(false);
  const chosen = snapshot.vertices.find(({ id }) => id === chosenId);
  return (
    <div className={chosen === undefined ? 'graph-page' : 'graph-page with-panel'}>
      <div className="graph-main">
        <div className="graph-bar">
          <Legend />
          <button type="button" className="button" aria-pressed={isList} onClick={() => setIsList(!isList)}>
            {isList ? 'Show as graph' : 'Show as list'}
          </button>
        </div>
        {isList ? <VertexList snapshot={snapshot} /> : <Graph snapshot={snapshot} chosenId={chosenId ?? null} />}
      </div>
      {chosen !== undefined && <VertexPanel key={chosen.id} vertex={chosen} snapshot={snapshot} />}
    </div>
  );
}

function Legend(): ReactElement {
  return (
    <ul className="legend heat-legend" aria-label="Colours of tasks">
      {[
        ['idle', 'idle'],
        ['calm', 'working'],
        ['busy', 'over 50 % busy'],
        ['hot', 'over 80 % busy'],
        ['blocked', 'back-pressured'],
      ].map(([heat, text]) => (
        <li key={heat}>
          <span className={`swatch heat-${heat ?? ''}`} aria-hidden="true" />
          {text}
        </li>
      ))}
    </ul>
  );
}

interface GraphProps {
  readonly snapshot: Snapshot;
  readonly chosenId: string | null;
}

function Graph({ snapshot, chosenId }: GraphProps): ReactElement {
  const { vertices, edges } = snapshot;
  const { theme } = useTheme();
  // The shape of the graph changes when the job does; the figures change every second.
  const shape = `${snapshot.job.jid} ${vertices.map(({ id }) => id).join()} ${edges.length}`;
  // `shape` stands for what the layout depends on.
  const boxes = useMemo(() => layOut(vertices, edges), [shape]);
  const lags = new Map(snapshot.topics.map(({ name, lag }) => [name, lag]));
  const nodes = boxes.flatMap(({ id, x, y, height }): TaskNode[] => {
    const vertex = vertices.find((candidate) => candidate.id === id);
    if (vertex === undefined) return [];
    return [
      {
        id,
        type: 'task',
        position: { x, y },
        width: NODE_WIDTH,
        height,
        selected: id === chosenId,
        data: { vertex, lag: lagOf(vertex.operators[0]?.uid ?? '', lags) },
        ariaLabel: `Task ${vertex.name}`,
      },
    ];
  });
  return (
    <div className="flow" data-vertex-count={nodes.length}>
      <ReactFlow
        nodes={nodes}
        edges={edges.map(flowEdge)}
        nodeTypes={nodeTypes}
        colorMode={theme}
        fitView
        fitViewOptions={{ padding: 0.15, maxZoom: 1 }}
        minZoom={0.05}
        nodesDraggable={false}
        nodesConnectable={false}
        edgesFocusable={false}
        onlyRenderVisibleElements
        onNodeClick={(_event, { id }) => goTo('graph', id)}
        onNodesChange={(changes) => {
          // What the keyboard selects.
          const chosen = changes.find((change) => change.type === 'select' && change.selected);
          if (chosen?.type === 'select') goTo('graph', chosen.id);
        }}
        onPaneClick={() => goTo('graph')}
      >
        <Background gap={24} />
        <Controls showInteractive={false} />
      </ReactFlow>
    </div>
  );
}

/** A request topic is named after its source: `job.requests.uid`. */
function lagOf(uid: string, lags: ReadonlyMap<string, number | null>): number | null {
  for (const [name, lag] of lags) if (lag !== null && name.endsWith(`.${uid}`)) return lag;
  return null;
}

function flowEdge(edge: Edge, index: number): FlowEdge {
  const { source, target, exchange, numRecordsPerSecond, fillRatioMax, sideTag } = edge;
  const tag = sideTag === null ? '' : `${sideTag} · `;
  const fill = fillRatioMax > 0.5 ? ` · ring ${formatPercent(fillRatioMax)}` : '';
  return {
    id: `${source}>${target}:${index}`,
    source,
    target,
    label: `${tag}${exchange} · ${formatRate(numRecordsPerSecond)}${fill}`,
    className: fillRatioMax > 0.5 ? 'edge-full' : numRecordsPerSecond > 0 ? 'edge-flowing' : '',
    style: { strokeWidth: 1.5 + Math.min(4, Math.log10(1 + numRecordsPerSecond)) },
    markerEnd: { type: MarkerType.ArrowClosed, width: 18, height: 18, markerUnits: 'userSpaceOnUse' },
  };
}

/** The same as a table: for the keyboard, for screen readers, for a phone. */
function VertexList({ snapshot }: { readonly snapshot: Snapshot }): ReactElement {
  return (
    <Card>
      <TableFrame label="Tasks of the graph">
        <thead>
          <tr>
            <th scope="col">Task</th>
            <th scope="col">From</th>
            <th scope="col">Load</th>
            <th scope="col" className="number">
              Busiest
            </th>
            <th scope="col" className="number">
              In
            </th>
            <th scope="col" className="number">
              Out
            </th>
            <th scope="col" className="number">
              Skew
            </th>
            <th scope="col" className="number">
              Watermark lag
            </th>
          </tr>
        </thead>
        <tbody>
          {snapshot.vertices.map((vertex) => (
            <tr key={vertex.id}>
              <th scope="row">
                <Link to={['graph', vertex.id]}>{vertex.name}</Link>
              </th>
              <td>
                {snapshot.edges
                  .filter(({ target }) => target === vertex.id)
                  .map(({ source, exchange }) => `${source} (${exchange})`)
                  .join(', ') || '—'}
              </td>
              <td>
                <LoadBar busy={vertex.busy} idle={vertex.idle} backPressured={vertex.backPressured} />
              </td>
              <td className="number">{formatPercent(vertex.busyMax)}</td>
              <td className="number">{formatRate(vertex.recordsInPerSecond)}</td>
              <td className="number">{formatRate(vertex.recordsOutPerSecond)}</td>
              <td className="number">{formatPercent(vertex.skew)}</td>
              <td className="number">{vertex.watermarkLagMs === null ? '—' : formatDuration(vertex.watermarkLagMs)}</td>
            </tr>
          ))}
        </tbody>
      </TableFrame>
    </Card>
  );
}
