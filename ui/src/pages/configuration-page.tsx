import { useState } from 'react';
import type { ReactElement } from 'react';

import { usePolled } from '../api/hooks.js';
import type { Settings } from '../api/types.js';
import type { PageProps } from '../app.js';
import { Card, EmptyState, Pending, TableFrame } from '../components/panels.js';

export function ConfigurationPage(_props: PageProps): ReactElement {
  const { data, error } = usePolled<Settings>('/jobmanager/config', 60_000);
  const [wanted, setWanted] = useState('');
  if (data === null) return <Pending error={error} />;
  const found = data.filter(({ key, value }) => `${key} ${value}`.toLowerCase().includes(wanted.toLowerCase()));
  const search = (
    <label className="inline-field">
      Find
      <input type="search" value={wanted} onChange={(event) => setWanted(event.target.value)} />
    </label>
  );
  return (
    <Card title="Settings" note="secrets are masked" actions={search}>
      {found.length === 0 ? (
        <EmptyState title="No such setting" />
      ) : (
        <TableFrame label="Settings">
          <thead>
            <tr>
              <th scope="col">Setting</th>
              <th scope="col">Value</th>
            </tr>
          </thead>
          <tbody>
            {found.map(({ key, value }) => (
              <tr key={key}>
                <th scope="row" className="mono">
                  {key}
                </th>
                <td className="mono">{value === '' ? <span className="muted">not set</span> : value}</td>
              </tr>
            ))}
          </tbody>
        </TableFrame>
      )}
    </Card>
  );
}
