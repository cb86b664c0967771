import type { ReactElement } from 'react';

import { jobPath } from '../api/client.js';
import { usePolled } from '../api/hooks.js';
import type { Trace, TraceSpan, TraceSummary } from '../api/types.js';
import { formatClock, formatDuration } from '../components/format.js';
import { Badge, Card, EmptyState, Pending, TableFrame } from '../components/panels.js';
import type { Tone } from '../components/panels.js';
import { Link } from '../router.js';

/** The newest traces; each opens its waterfall. */
export function TracesCard({ jid }: { readonly jid: string }): ReactElement {
  const { data, error } = usePolled<{ readonly traces: readonly TraceSummary[] }>(jobPath(jid, 'traces'), 2000);
  if (data === null) return <Pending error={error} />;
  return (
    <Card title="Traces" note="the newest first">
      {data.traces.length === 0 ? (
        <EmptyState title="No request was traced">
          Set traceSample, or send a request with the header millrace-trace: 1.
        </EmptyState>
      ) : (
        <TraceTable traces={data.traces} />
      )}
    </Card>
  );
}

function TraceTable({ traces }: { readonly traces: readonly TraceSummary[] }): ReactElement {
  return (
    <TableFrame label="Traces">
      <thead>
        <tr>
          <th scope="col">Request</th>
          <th scope="col">Route</th>
          <th scope="col">Status</th>
          <th scope="col">At</th>
          <th scope="col" className="number">
            Took
          </th>
          <th scope="col" className="number">
            Steps
          </th>
        </tr>
      </thead>
      <tbody>
        {traces.map(({ requestId, route, status, startMs, durationMs, spanCount }) => (
          <tr key={requestId}>
            <th scope="row" className="mono">
              <Link to={['requests', requestId]}>{requestId}</Link>
            </th>
            <td>{route ?? '—'}</td>
            <td>{status === null ? '—' : <Badge tone={toneOfStatus(status)}>{status}</Badge>}</td>
            <td>{formatClock(startMs)}</td>
            <td className="number">{formatDuration(durationMs)}</td>
            <td className="number">{spanCount}</td>
          </tr>
        ))}
      </tbody>
    </TableFrame>
  );
}

/** One trace: its steps under each other, each where and as long as it was. */
export function TraceView({ jid, requestId }: { readonly jid: string; readonly requestId: string }): ReactElement {
  const { data, error } = usePolled<Trace>(jobPath(jid, 'traces', requestId), 2000);
  if (data === null) return <Pending error={error} />;
  const endMs = Math.max(...data.spans.map(({ startMs, durationMs }) => startMs + durationMs));
  const depths = depthsOf(data.spans);
  return (
    <Card
      title={data.route ?? 'Request'}
      note={`${requestId} · ${formatDuration(data.durationMs)}`}
      actions={<Link to={['requests']}>All requests</Link>}
    >
      <TableFrame label="Steps of the request">
        <thead>
          <tr>
            <th scope="col">Step</th>
            <th scope="col">When</th>
            <th scope="col" className="number">
              Took
            </th>
            <th scope="col">Where</th>
            <th scope="col">State</th>
            <th scope="col" className="number">
              Emitted
            </th>
          </tr>
        </thead>
        <tbody>
          {data.spans.map((span) => (
            <Step
              key={span.spanId}
              span={span}
              depth={depths.get(span.spanId) ?? 0}
              startMs={data.startMs}
              endMs={endMs}
            />
          ))}
        </tbody>
      </TableFrame>
      {data.droppedCount > 0 && <p className="muted">{data.droppedCount} more steps were not kept.</p>}
    </Card>
  );
}

interface StepProps {
  readonly span: TraceSpan;
  readonly depth: number;
  readonly startMs: number;
  readonly endMs: number;
}

function Step({ span, depth, startMs, endMs }: StepProps): ReactElement {
  const { kind, name, error, place, emitted } = span;
  const spanMs = Math.max(endMs - startMs, 0.001);
  const left = ((span.startMs - startMs) / spanMs) * 100;
  const width = Math.max((span.durationMs / spanMs) * 100, 0.5);
  return (
    <tr>
      <th scope="row" style={{ paddingLeft: `${0.75 + depth * 0.75}rem` }}>
        {name} {error !== null && <Badge tone="bad">{error}</Badge>}
      </th>
      <td>
        <span
          className="waterfall"
          role="img"
          aria-label={`begins after ${formatDuration(span.startMs - startMs)}, takes ${formatDuration(span.durationMs)}`}
        >
          <span
            className={`waterfall-bar tone-${error === null ? toneOfKind[kind] : 'bad'}`}
            style={{ left: `${left}%`, width: `${Math.min(width, 100 - left)}%` }}
          />
        </span>
      </td>
      <td className="number">{formatDuration(span.durationMs)}</td>
      <td>{place === null ? 'gateway' : `worker-${place.worker}, subtask ${place.subtask}`}</td>
      <td>{accessesOf(span)}</td>
      <td className="number">{kind === 'operator' ? emitted : ''}</td>
    </tr>
  );
}

function accessesOf({ stateReads, stateWrites }: TraceSpan): string {
  const names = [...new Set([...Object.keys(stateReads), ...Object.keys(stateWrites)])];
  return names.map((name) => `${name}: ${stateReads[name] ?? 0} read, ${stateWrites[name] ?? 0} written`).join('; ');
}

/** How far each step is from the one that began the trace. */
function depthsOf(spans: readonly TraceSpan[]): Map<string, number> {
  const byId = new Map(spans.map((span) => [span.spanId, span]));
  const depths = new Map<string, number>();
  const depthOf = (span: TraceSpan): number => {
    const known = depths.get(span.spanId);
    if (known !== undefined) return known;
    const parent = byId.get(span.parentId ?? '');
    const depth = parent === undefined ? 0 : depthOf(parent) + 1;
    depths.set(span.spanId, depth);
    return depth;
  };
  for (const span of spans) depthOf(span);
  return depths;
}

export function toneOfStatus(status: number): Tone {
  if (status >= 500) return 'bad';
  return status >= 400 ? 'warn' : 'good';
}

const toneOfKind: Readonly<Record<TraceSpan['kind'], Tone>> = {
  request: 'neutral',
  append: 'warn',
  operator: 'info',
  reply: 'good',
};
