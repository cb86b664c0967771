import type { ReactElement } from 'react';

import { usePolled } from '../api/hooks.js';
import type { Topic } from '../api/types.js';
import type { PageProps } from '../app.js';
import { formatBytes, formatDuration, formatWhole } from '../components/format.js';
import { Badge, Card, EmptyState, Pending, TableFrame } from '../components/panels.js';
import { Link } from '../router.js';
import { RecordBrowser } from './record-browser.js';

export function TopicsPage({ rest: [chosen] }: PageProps): ReactElement {
  const { data, error } = usePolled<{ readonly topics: readonly Topic[] }>('/topics', 2_000);
  if (data === null) return <Pending error={error} />;
  const topic = data.topics.find(({ name }) => name === chosen);
  if (topic !== undefined) return <TopicView topic={topic} />;
  return (
    <Card title="Topics" note={`${data.topics.length}`}>
      {data.topics.length === 0 ? <EmptyState title="The job has no topics" /> : <TopicTable topics={data.topics} />}
    </Card>
  );
}

function TopicTable({ topics }: { readonly topics: readonly Topic[] }): ReactElement {
  return (
    <TableFrame label="Topics">
      <thead>
        <tr>
          <th scope="col">Topic</th>
          <th scope="col">Role</th>
          <th scope="col" className="number">
            Partitions
          </th>
          <th scope="col" className="number">
            Records
          </th>
          <th scope="col" className="number">
            Lag
          </th>
          <th scope="col" className="number">
            Size
          </th>
          <th scope="col" className="number">
            Kept for
          </th>
        </tr>
      </thead>
      <tbody>
        {topics.map((topic) => (
          <tr key={topic.name}>
            <th scope="row">
              <Link to={['topics', topic.name]}>{topic.name}</Link>
            </th>
            <td>
              <Badge>{topic.role}</Badge>
            </td>
            <td className="number">{topic.partitions.length}</td>
            <td className="number">{formatWhole(topic.recordCount)}</td>
            <td className="number">{topic.lag === null ? '—' : formatWhole(topic.lag)}</td>
            <td className="number">{formatBytes(topic.sizeBytes)}</td>
            <td className="number">{topic.retentionMs === null ? 'ever' : formatDuration(topic.retentionMs)}</td>
          </tr>
        ))}
      </tbody>
    </TableFrame>
  );
}

function TopicView({ topic }: { readonly topic: Topic }): ReactElement {
  return (
    <>
      <p className="crumbs">
        <Link to={['topics']}>Topics</Link> <span aria-hidden="true">/</span> {topic.name}
      </p>
      <RecordBrowser topic={topic} />
      <Card title="Partitions" note={`${formatWhole(topic.recordCount)} records, ${formatBytes(topic.sizeBytes)}`}>
        <TableFrame label="Partitions">
          <thead>
            <tr>
              <th scope="col">Partition</th>
              <th scope="col" className="number">
                First offset
              </th>
              <th scope="col" className="number">
                End offset
              </th>
              <th scope="col" className="number">
                Read up to
              </th>
              <th scope="col" className="number">
                Lag
              </th>
            </tr>
          </thead>
          <tbody>
            {topic.partitions.map(({ partition, beginOffset, endOffset, position, lag }) => (
              <tr key={partition}>
                <th scope="row">{partition}</th>
                <td className="number">{formatWhole(beginOffset)}</td>
                <td className="number">{formatWhole(endOffset)}</td>
                <td className="number">{position === null ? '—' : formatWhole(position)}</td>
                <td className="number">{lag === null ? '—' : formatWhole(lag)}</td>
              </tr>
            ))}
          </tbody>
        </TableFrame>
      </Card>
    </>
  );
}
