import { useContext, useState } from 'react';
import type { ReactElement, ReactNode } from 'react';

import { ActionsMenu } from './actions-menu.js';
import { saveToken } from './api/client.js';
import { LiveContext, useLive } from './api/hooks.js';
import type { LiveStatus } from './api/live-store.js';
import type { Page } from './app.js';
import { Dialog } from './components/dialog.js';
import { Icon } from './components/icon.js';
import { StateBadge } from './components/panels.js';
import { useTheme } from './components/theme.js';
import { Link } from './router.js';

interface ShellProps {
  readonly pages: readonly Page[];
  readonly current: Page;
  readonly onHelp: () => void;
  readonly children: ReactNode;
}

/** What stands around every page. */
export function Shell({ pages, current, onHelp, children }: ShellProps): ReactElement {
  return (
    <div className="shell">
      <a className="skip-link" href="#main" onClick={focusMain}>
        Skip to the page
      </a>
      <nav className="sidebar" aria-label="Pages">
        <div className="brand">
          <Mark />
          <span>Millrace</span>
        </div>
        <ul>
          {pages.map(({ id, title, icon }) => (
            <li key={id}>
              <Link to={[id]} aria-current={id === current.id ? 'page' : undefined}>
                <Icon name={icon} />
                <span>{title}</span>
              </Link>
            </li>
          ))}
        </ul>
      </nav>
      <div className="content">
        <TopBar title={current.title} onHelp={onHelp} />
        <main id="main" tabIndex={-1} className={`page page-${current.id}`}>
          {children}
        </main>
      </div>
    </div>
  );
}

/** The address belongs to the pages: the link moves the focus and not the place. */
function focusMain(event: { preventDefault: () => void }): void {
  event.preventDefault();
  document.querySelector<HTMLElement>('#main')?.focus();
}

function TopBar({ title, onHelp }: { readonly title: string; readonly onHelp: () => void }): ReactElement {
  const { snapshot, status } = useLive();
  const { theme, toggle } = useTheme();
  return (
    <header className="top-bar">
      <h1>{title}</h1>
      {snapshot !== null && (
        <div className="job-name">
          <span className="truncate">{snapshot.job.name}</span>
          <StateBadge state={snapshot.job.state} />
        </div>
      )}
      <LiveIndicator status={status} />
      <div className="top-buttons">
        <ActionsMenu />
        <button
          type="button"
          className="icon-button"
          onClick={onHelp}
          aria-label="Keyboard shortcuts"
          title="Keyboard shortcuts (?)"
        >
          <Icon name="help" />
        </button>
        <button
          type="button"
          className="icon-button"
          onClick={toggle}
          aria-label={theme === 'dark' ? 'Use light colours' : 'Use dark colours'}
          title={theme === 'dark' ? 'Use light colours' : 'Use dark colours'}
        >
          <Icon name={theme === 'dark' ? 'sun' : 'moon'} />
        </button>
      </div>
    </header>
  );
}

const statusTexts: Readonly<Record<LiveStatus, string>> = {
  connecting: 'Connecting',
  live: 'Live',
  lost: 'Connection lost',
  'token-needed': 'Token needed',
};

function LiveIndicator({ status }: { readonly status: LiveStatus }): ReactElement {
  return (
    <span className={`live live-${status}`} role="status">
      <span className="dot" aria-hidden="true" />
      {statusTexts[status]}
    </span>
  );
}

function Mark(): ReactElement {
  return (
    <svg width="26" height="26" viewBox="0 0 32 32" aria-hidden="true" className="mark">
      <rect width="32" height="32" rx="8" />
      <path d="M6 11c3.300-3 6.700-3 10 0s6.700 3 10 0M6 17c3.300-3 6.700-3 10 0s6.700 3 10 0M6 23c3.300-3 6.700-3 10 0s6.700 3 10 0" />
    </svg>
  );
}

/** Asks for the token that the process wants from other machines. */
export function TokenDialog(): ReactElement {
  const live = useContext(LiveContext);
  const [token, setToken] = useState('');
  return (
    <Dialog title="A token is needed" onClose={() => live.retry()}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          saveToken(token);
          live.retry();
        }}
      >
        <p>
          From another machine the admin API wants the <code>adminToken</code> of the process.
        </p>
        <label className="field">
          Token
          <input type="password" autoComplete="off" value={token} onChange={(event) => setToken(event.target.value)} />
        </label>
        <div className="dialog-buttons">
          <button type="submit" className="button primary" disabled={token === ''}>
            Use token
          </button>
        </div>
      </form>
    </Dialog>
  );
}

interface HelpProps {
  readonly pages: readonly Page[];
  readonly onClose: () => void;
}

export function HelpDialog({ pages, onClose }: HelpProps): ReactElement {
  return (
    <Dialog title="Keyboard shortcuts" onClose={onClose}>
      <dl className="shortcuts">
        {pages.map(({ id, title, key }) => (
          <div key={id}>
            <dt>
              <kbd>g</kbd> <kbd>{key}</kbd>
            </dt>
            <dd>{title}</dd>
          </div>
        ))}
        <div>
          <dt>
            <kbd>?</kbd>
          </dt>
          <dd>This list</dd>
        </div>
      </dl>
      <div className="dialog-buttons">
        <button type="button" className="button primary" onClick={onClose}>
          Close
        </button>
      </div>
    </Dialog>
  );
}
