import { lazy, Suspense, useCallback, useEffect, useState } from 'react';
import type { ReactElement } from 'react';

import { useLive } from './api/hooks.js';
import type { Snapshot } from './api/types.js';
import type { IconName } from './components/icon.js';
import { Pending } from './components/panels.js';
import { CheckpointsPage } from './pages/checkpoints-page.js';
import { ConfigurationPage } from './pages/configuration-page.js';
import { ExceptionsPage } from './pages/exceptions-page.js';
import { OverviewPage } from './pages/overview-page.js';
import { RequestsPage } from './pages/requests-page.js';
import { StatePage } from './pages/state-page.js';
import { TopicsPage } from './pages/topics-page.js';
import { WorkersPage } from './pages/workers-page.js';
import { goTo, usePlace } from './router.js';
import { HelpDialog, Shell, TokenDialog } from './shell.js';

// The graph brings the largest library with it; every other page is there before it.
const GraphPage = lazy(async () => ({ default: (await import('./graph/graph-page.js')).GraphPage }));

export interface PageProps {
  readonly snapshot: Snapshot;
  /** What the address names beyond the page. */
  readonly rest: readonly string[];
}

export interface Page {
  readonly id: string;
  readonly title: string;
  readonly icon: IconName;
  /** After `g`, takes the keyboard there. */
  readonly key: string;
  readonly component: (props: PageProps) => ReactElement;
}

const pages: readonly Page[] = [
  { id: 'overview', title: 'Overview', icon: 'overview', key: 'o', component: OverviewPage },
  { id: 'graph', title: 'Job graph', icon: 'graph', key: 'g', component: (props) => <GraphPage {...props} /> },
  { id: 'checkpoints', title: 'Checkpoints', icon: 'checkpoints', key: 'c', component: CheckpointsPage },
  { id: 'topics', title: 'Topics', icon: 'topics', key: 't', component: TopicsPage },
  { id: 'state', title: 'State', icon: 'state', key: 's', component: StatePage },
  { id: 'requests', title: 'Requests', icon: 'requests', key: 'r', component: RequestsPage },
  { id: 'workers', title: 'Workers', icon: 'workers', key: 'w', component: WorkersPage },
  { id: 'exceptions', title: 'Exceptions', icon: 'exceptions', key: 'e', component: ExceptionsPage },
  { id: 'configuration', title: 'Configuration', icon: 'configuration', key: 'f', component: ConfigurationPage },
];

export function App(): ReactElement {
  const { snapshot, status } = useLive();
  const place = usePlace();
  const [isHelpOpen, setIsHelpOpen] = useState(false);
  const page = pages.find(({ id }) => id === place.page) ?? pages[0];
  // The same function with each render: a shortcut of two keys must not be forgotten between them.
  const openHelp = useCallback(() => setIsHelpOpen(true), []);
  useShortcuts(openHelp);
  useEffect(() => {
    document.title = `${page?.title ?? ''} · ${snapshot?.job.name ?? 'Millrace'}`;
  }, [page, snapshot?.job.name]);
  if (page === undefined) return <Pending error={null} />;
  const { component: Component } = page;
  return (
    <Shell pages={pages} current={page} onHelp={openHelp}>
      {status === 'token-needed' && <TokenDialog />}
      {isHelpOpen && <HelpDialog pages={pages} onClose={() => setIsHelpOpen(false)} />}
      <Suspense fallback={<Pending error={null} />}>
        {snapshot === null ? (
          <Pending error={status === 'lost' ? 'The process does not answer. Trying again…' : null} />
        ) : (
          <Component snapshot={snapshot} rest={place.rest} />
        )}
      </Suspense>
    </Shell>
  );
}

/** `g` and a page's letter go there; `?` explains. */
function useShortcuts(onHelp: () => void): void {
  useEffect(() => {
    let isGoing = false;
    const onKey = (event: KeyboardEvent): void => {
      const target = event.target as HTMLElement;
      if (event.ctrlKey || event.metaKey || event.altKey || target.matches('input, select, textarea')) return;
      if (isGoing) {
        const found = pages.find(({ key }) => key === event.key);
        if (found !== undefined) goTo(found.id);
      } else if (event.key === '?') onHelp();
      isGoing = !isGoing && event.key === 'g';
    };
    addEventListener('keydown', onKey);
    return () => removeEventListener('keydown', onKey);
  }, [onHelp]);
}
