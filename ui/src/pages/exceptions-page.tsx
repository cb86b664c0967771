import { useState } from 'react';
import type { ReactElement } from 'react';

import { jobPath } from '../api/client.js';
import { usePolled } from '../api/hooks.js';
import type { JobException, JobExceptions } from '../api/types.js';
import type { PageProps } from '../app.js';
import { Code } from '../components/decoded.js';
import { formatDate } from '../components/format.js';
import { Badge, Card, EmptyState, Pending } from '../components/panels.js';

export function ExceptionsPage({ snapshot }: PageProps): ReactElement {
  const { data, error } = usePolled<JobExceptions>(jobPath(snapshot.job.jid, 'exceptions'), 2_000);
  if (data === null) return <Pending error={error} />;
  const { entries, truncated } = data.exceptionHistory;
  if (entries.length === 0) {
    return (
      <Card>
        <EmptyState title="No exceptions">
          What a function of the job throws appears here, with its record and its stack.
        </EmptyState>
      </Card>
    );
  }
  return (
    <>
      {truncated && <p className="notice tone-neutral">Older exceptions have been forgotten.</p>}
      {entries.map((entry, index) => (
        <ExceptionCard key={`${entry.timestamp}:${index}`} entry={entry} isOpenAtFirst={index === 0} />
      ))}
    </>
  );
}

function ExceptionCard({
  entry,
  isOpenAtFirst,
}: {
  readonly entry: JobException;
  readonly isOpenAtFirst: boolean;
}): ReactElement {
  const [isOpen, setIsOpen] = useState(isOpenAtFirst);
  const { kind, message, timestamp, code, hint, count, details, stacktrace, taskManagerId } = entry;
  return (
    <Card className="exception">
      <div className="exception-head">
        <Badge tone={kind === 'failure' ? 'bad' : 'warn'}>{kind === 'failure' ? 'job failed' : 'record skipped'}</Badge>
        <strong>{message}</strong>
        <span className="muted">
          {formatDate(timestamp)}
          {taskManagerId !== null && ` · ${taskManagerId}`}
          {count > 1 && ` · ${count} times`}
        </span>
      </div>
      {hint !== null && <p>{hint}</p>}
      <dl className="pairs two-columns">
        {code !== null && (
          <div>
            <dt>code</dt>
            <dd className="mono">{code}</dd>
          </div>
        )}
        {Object.entries(details).map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd className="mono">{typeof value === 'string' ? value : JSON.stringify(value)}</dd>
          </div>
        ))}
      </dl>
      <button type="button" className="row-button" aria-expanded={isOpen} onClick={() => setIsOpen(!isOpen)}>
        Stack
      </button>
      {isOpen && <Code label="Stack">{stacktrace}</Code>}
    </Card>
  );
}
