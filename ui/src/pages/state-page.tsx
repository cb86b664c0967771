import { useState } from 'react';
import type { ReactElement } from 'react';

import { getJson, jobPath } from '../api/client.js';
import type { PageProps } from '../app.js';
import { Code } from '../components/decoded.js';
import { Card, EmptyState } from '../components/panels.js';

interface Found {
  readonly text: string;
  readonly isValue: boolean;
}

/** Operator, state, key: the value as the operator would see it now. */
export function StatePage({ snapshot }: PageProps): ReactElement {
  // Sources and sinks keep no state of a key.
  const operators = snapshot.vertices
    .flatMap((vertex) => vertex.operators)
    .filter(({ kind }) => !/source|sink|requests/.test(kind));
  const [uid, setUid] = useState(operators[0]?.uid ?? '');
  const [name, setName] = useState('');
  const [key, setKey] = useState('');
  const [found, setFound] = useState<Found | null>(null);
  const look = async (): Promise<void> => {
    try {
      const { value } = await getJson<{ readonly value: unknown }>(jobPath(snapshot.job.jid, 'state', uid, name, key));
      setFound({ text: JSON.stringify(value, null, 2), isValue: true });
    } catch (error) {
      setFound({ text: error instanceof Error ? error.message : String(error), isValue: false });
    }
  };
  if (operators.length === 0) return <EmptyState title="No operator of this job keeps state" />;
  return (
    <Card title="State of a key" note="read where it is owned">
      <form
        className="state-form"
        onSubmit={(event) => {
          event.preventDefault();
          void look();
        }}
      >
        <label className="field">
          Operator
          <select value={uid} onChange={(event) => setUid(event.target.value)}>
            {operators.map((operator) => (
              <option key={operator.uid} value={operator.uid}>
                {operator.uid}
              </option>
            ))}
          </select>
        </label>
        <label className="field">
          State
          <input value={name} required onChange={(event) => setName(event.target.value)} />
        </label>
        <label className="field">
          Key
          <input value={key} required onChange={(event) => setKey(event.target.value)} />
        </label>
        <button type="submit" className="button primary">
          Look
        </button>
      </form>
      {found === null && (
        <EmptyState title="Nothing asked yet">
          Name a state and a key. A name that is not there is answered with those that are.
        </EmptyState>
      )}
      {found !== null && found.isValue && <Code label="Value">{found.text}</Code>}
      {found !== null && !found.isValue && (
        <p className="notice tone-warn" role="status">
          {found.text}
        </p>
      )}
    </Card>
  );
}
