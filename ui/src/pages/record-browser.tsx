import { useState } from 'react';
import type { ReactElement } from 'react';

import { usePolled } from '../api/hooks.js';
import type { Topic, TopicRecord, TopicRecords } from '../api/types.js';
import { bytesText, DecodedView } from '../components/decoded.js';
import { formatBytes, formatDate, formatWhole } from '../components/format.js';
import { Card, EmptyState, Pending, TableFrame } from '../components/panels.js';

const PAGE_SIZE = 25;

/** Looks into one partition, the newest records first unless an offset is given. */
export function RecordBrowser({ topic }: { readonly topic: Topic }): ReactElement {
  const [partition, setPartition] = useState(() => fullestOf(topic));
  const [offset, setOffset] = useState<number | null>(null);
  const query = new URLSearchParams({ partition: String(partition), limit: String(PAGE_SIZE) });
  if (offset !== null) query.set('offset', String(offset));
  const { data, error } = usePolled<TopicRecords>(
    `/topics/${encodeURIComponent(topic.name)}/records?${query.toString()}`,
    5_000,
  );
  const first = data?.records[0]?.offset ?? 0;
  const controls = (
    <>
      <label className="inline-field">
        Partition
        <select value={partition} onChange={(event) => setPartition(Number(event.target.value))}>
          {topic.partitions.map((entry) => (
            <option key={entry.partition} value={entry.partition}>
              {entry.partition} ({formatWhole(entry.endOffset - entry.beginOffset)})
            </option>
          ))}
        </select>
      </label>
      <label className="inline-field">
        From offset
        <input
          type="number"
          min={0}
          placeholder="newest"
          value={offset ?? ''}
          onChange={(event) => setOffset(event.target.value === '' ? null : event.target.valueAsNumber)}
        />
      </label>
      <button type="button" className="button" onClick={() => setOffset(Math.max(0, first - PAGE_SIZE))}>
        Older
      </button>
      <button type="button" className="button" onClick={() => setOffset(null)}>
        Newest
      </button>
    </>
  );
  return (
    <Card title="Records" actions={controls}>
      {data === null ? (
        <Pending error={error} />
      ) : (
        <RecordTable records={offset === null ? data.records.toReversed() : data.records} />
      )}
    </Card>
  );
}

function RecordTable({ records }: { readonly records: readonly TopicRecord[] }): ReactElement {
  const [open, setOpen] = useState<number | null>(null);
  if (records.length === 0)
    return <EmptyState title="No records here">Choose another partition, or an earlier offset.</EmptyState>;
  return (
    <TableFrame label="Records">
      <thead>
        <tr>
          <th scope="col">Offset</th>
          <th scope="col">Time</th>
          <th scope="col">Key</th>
          <th scope="col">Value</th>
          <th scope="col" className="number">
            Size
          </th>
        </tr>
      </thead>
      {records.map((record) => (
        <tbody key={record.offset}>
          <tr>
            <th scope="row">
              <button
                type="button"
                className="row-button"
                aria-expanded={open === record.offset}
                onClick={() => setOpen(open === record.offset ? null : record.offset)}
              >
                {formatWhole(record.offset)}
              </button>
            </th>
            <td>{formatDate(record.timestamp)}</td>
            <td className="mono truncate">{bytesText(record.key)}</td>
            <td className="mono truncate">{bytesText(record.value)}</td>
            <td className="number">{formatBytes(record.valueBytes)}</td>
          </tr>
          {open === record.offset && (
            <tr className="row-details">
              <td colSpan={5}>
                <RecordDetails record={record} />
              </td>
            </tr>
          )}
        </tbody>
      ))}
    </TableFrame>
  );
}

function RecordDetails({ record }: { readonly record: TopicRecord }): ReactElement {
  return (
    <div className="details-grid">
      <div>
        <h3>Value</h3>
        <DecodedView bytes={record.value} />
      </div>
      <div>
        <h3>Headers</h3>
        <dl className="pairs">
          {Object.entries(record.headers).map(([name, value]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd className="mono">{value}</dd>
            </div>
          ))}
        </dl>
      </div>
    </div>
  );
}

function fullestOf({ partitions }: Topic): number {
  const fullest = partitions.toSorted((a, b) => b.endOffset - b.beginOffset - (a.endOffset - a.beginOffset))[0];
  return fullest?.partition ?? 0;
}
