import { createContext, useCallback, useContext, useEffect, useState, useSyncExternalStore } from 'react';

import { getJson } from './client.js';
import { LiveStore } from './live-store.js';
import type { LiveState } from './live-store.js';

export const LiveContext = createContext(new LiveStore());

/** What moves; renders again with each snapshot. */
export function useLive(): LiveState {
  const store = useContext(LiveContext);
  return useSyncExternalStore(store.subscribe, () => store.state);
}

export interface Polled<T> {
  readonly data: T | null;
  /** What the same path answered the time before. */
  readonly before: T | null;
  readonly error: string | null;
  /** Asks again now. */
  readonly reload: () => void;
}

const NO_ANSWERS = { data: null, before: null };

/** JSON from a path, asked for again and again while the page is seen. `null` asks for nothing. */
export function usePolled<T>(path: string | null, intervalMs = 1000): Polled<T> {
  const [{ data, before }, setAnswers] = useState<Pick<Polled<T>, 'data' | 'before'>>(NO_ANSWERS);
  const [error, setError] = useState<string | null>(null);
  const [round, setRound] = useState(0);
  useEffect(() => {
    setAnswers(NO_ANSWERS);
    setError(null);
  }, [path]);
  useEffect(() => {
    if (path === null) return undefined;
    const abort = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const ask = async (): Promise<void> => {
      if (!document.hidden) {
        try {
          const answer = await getJson<T>(path, abort.signal);
          setAnswers((last) => ({ data: answer, before: last.data }));
          setError(null);
        } catch (cause) {
          if (abort.signal.aborted) return;
          setError(cause instanceof Error ? cause.message : String(cause));
        }
      }
      if (!abort.signal.aborted) timer = setTimeout(() => void ask(), intervalMs);
    };
    void ask();
    return () => {
      abort.abort();
      clearTimeout(timer);
    };
  }, [path, intervalMs, round]);
  const reload = useCallback(() => setRound((count) => count + 1), []);
  return { data, before, error, reload };
}

interface OpenApiDocument {
  readonly paths: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

let documentOnce: Promise<OpenApiDocument> | null = null;

/** Whether the process has a route: what an action would need, or a page. */
export function useHasRoute(method: string, path: string): boolean {
  const [has, setHas] = useState(false);
  useEffect(() => {
    documentOnce ??= getJson<OpenApiDocument>('/openapi.json');
    documentOnce
      .then(({ paths }) => setHas(paths[path]?.[method] !== undefined))
      .catch(() => {
        documentOnce = null;
      });
  }, [method, path]);
  return has;
}
