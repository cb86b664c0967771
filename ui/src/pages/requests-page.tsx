import type { ReactElement } from 'react';

import { usePolled } from '../api/hooks.js';
import type { Requests } from '../api/types.js';
import type { PageProps } from '../app.js';
import { formatBytes, formatCount, formatDuration, formatWhole } from '../components/format.js';
import { Badge, Card, EmptyState, Pending, Stat, TableFrame } from '../components/panels.js';
import { toneOfStatus, TracesCard, TraceView } from './traces.js';

/** All requests, or the trace of the one that the address names. */
export function RequestsPage({ snapshot, rest }: PageProps): ReactElement {
  const [requestId] = rest;
  const { jid } = snapshot.job;
  return requestId === undefined ? <AllRequests jid={jid} /> : <TraceView jid={jid} requestId={requestId} />;
}

function AllRequests({ jid }: { readonly jid: string }): ReactElement {
  const { data, error } = usePolled<Requests>('/requests');
  if (data === null) return <Pending error={error} />;
  return (
    <>
      <div className="stats">
        <Stat label="Pending" value={formatCount(data.pendingCount)} note={formatBytes(data.pendingBytes)} />
        <Stat
          label="Wait for a place"
          value={formatCount(data.waitingCount)}
          tone={data.waitingCount > 0 ? 'warn' : 'neutral'}
        />
        <Stat label="Results kept" value={formatCount(data.resultCount)} note="to be fetched later" />
        <Stat label="Connections" value={formatCount(data.connectionCount)} />
      </div>
      <Card title="Pending" note="the oldest first">
        <PendingTable pending={data.pending} />
      </Card>
      <TracesCard jid={jid} />
      <Card title="Routes" note="since the process started">
        <RouteTable routes={data.routes.filter(({ count, isOwn }) => count > 0 && !isOwn)} />
      </Card>
    </>
  );
}

function PendingTable({ pending }: Pick<Requests, 'pending'>): ReactElement {
  if (pending.length === 0)
    return <EmptyState title="Nobody waits">Requests that wait for their answers appear here.</EmptyState>;
  return (
    <TableFrame label="Pending requests">
      <thead>
        <tr>
          <th scope="col">Request</th>
          <th scope="col">Route</th>
          <th scope="col">Stage</th>
          <th scope="col" className="number">
            Age
          </th>
          <th scope="col" className="number">
            Time left
          </th>
          <th scope="col" className="number">
            Size
          </th>
        </tr>
      </thead>
      <tbody>
        {pending.map((request) => (
          <tr key={request.id}>
            <th scope="row" className="mono">
              {request.id}
            </th>
            <td>{request.route}</td>
            <td>
              <Badge tone={request.stage === 'waiting' ? 'warn' : 'info'}>{request.stage}</Badge>
            </td>
            <td className="number">{formatDuration(request.ageMs)}</td>
            <td className="number">{formatDuration(Math.max(0, request.remainingMs))}</td>
            <td className="number">{formatBytes(request.bytes)}</td>
          </tr>
        ))}
      </tbody>
    </TableFrame>
  );
}

function RouteTable({ routes }: Pick<Requests, 'routes'>): ReactElement {
  if (routes.length === 0) return <EmptyState title="No request yet" />;
  return (
    <TableFrame label="Routes">
      <thead>
        <tr>
          <th scope="col">Route</th>
          <th scope="col">Statuses</th>
          <th scope="col" className="number">
            Requests
          </th>
          <th scope="col" className="number">
            p50
          </th>
          <th scope="col" className="number">
            p90
          </th>
          <th scope="col" className="number">
            p99
          </th>
          <th scope="col" className="number">
            p99.9
          </th>
        </tr>
      </thead>
      <tbody>
        {routes
          .toSorted((a, b) => b.count - a.count)
          .map(({ method, route, count, byStatus, latencyMs }) => (
            <tr key={`${method} ${route}`}>
              <th scope="row">
                <span className="method">{method}</span> {route}
              </th>
              <td>
                {Object.entries(byStatus).map(([status, times]) => (
                  <Badge key={status} tone={toneOfStatus(Number(status))}>
                    {status} × {formatCount(times)}
                  </Badge>
                ))}
              </td>
              <td className="number">{formatWhole(count)}</td>
              <td className="number">{formatDuration(latencyMs.p50)}</td>
              <td className="number">{formatDuration(latencyMs.p90)}</td>
              <td className="number">{formatDuration(latencyMs.p99)}</td>
              <td className="number">{formatDuration(latencyMs.p999)}</td>
            </tr>
          ))}
      </tbody>
    </TableFrame>
  );
}
