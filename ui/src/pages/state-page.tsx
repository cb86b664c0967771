import { useState } from 'react';
import type { ReactElement } from 'react';

import { getJson, jobPath } from '../api/client.js';
import { usePolled } from '../api/hooks.js';
import type { HotKeys, StateNames, StateValue } from '../api/types.js';
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
  const operators = snapshot.vertices.flatMap(({ id, operators: ofVertex }) =>
    ofVertex.filter(({ kind }) => !/source|sink|requests/.test(kind)).map(({ uid: own }) => ({ uid: own, vertex: id })),
  );
  const [uid, setUid] = useState(operators[0]?.uid ?? '');
  const [chosen, setChosen] = useState('');
  const [key, setKey] = useState('');
  const [found, setFound] = useState<Found | null>(null);
  const { jid } = snapshot.job;
  const { states, hint } = useStateNames(uid === '' ? null : jobPath(jid, 'state', uid));
  const name = states.includes(chosen) ? chosen : (states[0] ?? '');
  const keys = useFrequentKeys(jid, uid, operators.find((operator) => operator.uid === uid)?.vertex ?? '');
  const look = async (): Promise<void> => {
    try {
      const { value } = await getJson<StateValue>(jobPath(jid, 'state', uid, name, key));
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
        <Choice label="Operator" value={uid} options={operators.map((operator) => operator.uid)} onChange={setUid} />
        <Choice label="State" value={name} options={states} onChange={setChosen} />
        <label className="field">
          Key
          <input value={key} required list="frequent-keys" onChange={(event) => setKey(event.target.value)} />
        </label>
        <datalist id="frequent-keys">
          {keys.map((each) => (
            <option key={each} value={each} />
          ))}
        </datalist>
        <button type="submit" className="button primary" disabled={name === ''}>
          Look
        </button>
      </form>
      {found === null && (
        <EmptyState title="Nothing asked yet">
          {hint ?? 'Name a key, or take one of those that come most often. One that is no text is written in JSON.'}
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

interface ChoiceProps {
  readonly label: string;
  readonly value: string;
  readonly options: readonly string[];
  readonly onChange: (value: string) => void;
}

function Choice({ label, value, options, onChange }: ChoiceProps): ReactElement {
  return (
    <label className="field">
      {label}
      <select value={value} disabled={options.length === 0} onChange={(event) => onChange(event.target.value)}>
        {options.map((option) => (
          <option key={option} value={option}>
            {option}
          </option>
        ))}
      </select>
    </label>
  );
}

/** An operator asks for its states when it begins, or with its first record. */
function useStateNames(path: string | null): { readonly states: readonly string[]; readonly hint: string | null } {
  const { data, error } = usePolled<StateNames>(path, 5000);
  if (data === null) return { states: [], hint: error };
  return { states: data.states, hint: data.states.length === 0 ? 'This operator has asked for no state yet.' : null };
}

function useFrequentKeys(jid: string, uid: string, vertex: string): readonly string[] {
  const { data } = usePolled<HotKeys>(vertex === '' ? null : jobPath(jid, 'vertices', vertex, 'hot-keys'), 5000);
  return data?.operators.find((operator) => operator.uid === uid)?.keys.map(({ key }) => key) ?? [];
}
