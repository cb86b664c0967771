import { hostname } from 'node:os';

/**
 * Where other machines reach the job of this process.
 *
 * @param url of its gateway; an address that stands for every interface means the name of this machine
 */
export function jobAddress({ jid }: { readonly jid: string }, url: string): string {
  const base = new URL(url);
  if (base.hostname === '0.0.0.0' || base.hostname === '[::]') base.hostname = hostname();
  return new URL(`jobs/${jid}`, base.href.endsWith('/') ? base : `${base.href}/`).href;
}
