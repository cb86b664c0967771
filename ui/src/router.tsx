import { useSyncExternalStore } from 'react';
import type { AnchorHTMLAttributes, ReactElement } from 'react';

/** Pages lie behind the `#` of the address, so that the process serves one document whatever page is asked for. */

export interface Place {
  /** Without the `#`: `graph`, or `graph/count` for something on the page. */
  readonly page: string;
  readonly rest: readonly string[];
}

function currentHash(): string {
  return location.hash;
}

function subscribe(listener: () => void): () => void {
  addEventListener('hashchange', listener);
  return () => removeEventListener('hashchange', listener);
}

export function usePlace(): Place {
  const hash = useSyncExternalStore(subscribe, currentHash);
  const [page = '', ...rest] = hash.replace(/^#\/?/, '').split('/').map(decodeURIComponent);
  return { page: page === '' ? 'overview' : page, rest };
}

export function hrefOf(page: string, ...rest: readonly string[]): string {
  return `#/${[page, ...rest].map(encodeURIComponent).join('/')}`;
}

export function goTo(page: string, ...rest: readonly string[]): void {
  location.hash = hrefOf(page, ...rest);
}

interface LinkProps extends AnchorHTMLAttributes<HTMLAnchorElement> {
  readonly to: readonly [page: string, ...rest: string[]];
}

export function Link({ to, children, ...attributes }: LinkProps): ReactElement {
  return (
    <a {...attributes} href={hrefOf(...to)}>
      {children}
    </a>
  );
}
