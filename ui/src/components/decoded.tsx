import type { ReactElement } from 'react';

import type { DecodedBytes } from '../api/types.js';

/** Bytes on one line. */
export function bytesText(bytes: DecodedBytes): string {
  switch (bytes.encoding) {
    case 'none':
      return '—';
    case 'json':
      return JSON.stringify(bytes.json);
    case 'text':
      return bytes.text;
    case 'base64':
      return `base64:${bytes.base64}`;
  }
}

/** Bytes in full. */
export function DecodedView({ bytes }: { readonly bytes: DecodedBytes }): ReactElement {
  const text = bytes.encoding === 'json' ? JSON.stringify(bytes.json, null, 2) : bytesText(bytes);
  return <Code label="Value">{text}</Code>;
}

/** Text as it stands, in a frame of its own that scrolls. */
export function Code({ label, children }: { readonly label: string; readonly children: string }): ReactElement {
  return (
    // Whoever has no mouse must be able to scroll it.
    <pre className="code" role="region" aria-label={label} tabIndex={0}>
      <code>{children}</code>
    </pre>
  );
}
