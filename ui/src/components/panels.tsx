import type { ReactElement, ReactNode } from 'react';

/** The small parts that pages are made of. */

interface CardProps {
  readonly title?: ReactNode;
  readonly note?: ReactNode;
  readonly actions?: ReactNode;
  readonly children: ReactNode;
  readonly className?: string;
}

export function Card({ title, note, actions, children, className = '' }: CardProps): ReactElement {
  return (
    <section className={`card ${className}`}>
      {title !== undefined && (
        <header className="card-head">
          <h2>{title}</h2>
          {note !== undefined && <span className="muted">{note}</span>}
          {actions !== undefined && <div className="card-actions">{actions}</div>}
        </header>
      )}
      {children}
    </section>
  );
}

export type Tone = 'good' | 'warn' | 'bad' | 'neutral' | 'info';

interface StatProps {
  readonly label: string;
  readonly value: string;
  readonly note?: string;
  readonly tone?: Tone;
}

export function Stat({ label, value, note, tone = 'neutral' }: StatProps): ReactElement {
  return (
    <div className={`stat tone-${tone}`}>
      <span className="stat-label">{label}</span>
      <strong className="stat-value">{value}</strong>
      {note !== undefined && <span className="stat-note">{note}</span>}
    </div>
  );
}

export function Badge({
  tone = 'neutral',
  children,
}: {
  readonly tone?: Tone;
  readonly children: ReactNode;
}): ReactElement {
  return <span className={`badge tone-${tone}`}>{children}</span>;
}

/** A job's, a checkpoint's or a thread's state, in the tone that it deserves. */
export function StateBadge({ state }: { readonly state: string }): ReactElement {
  const tone = tones[state.toUpperCase()] ?? 'neutral';
  return (
    <span className={`badge tone-${tone}`}>
      <span className="dot" aria-hidden="true" />
      {state}
    </span>
  );
}

const tones: Readonly<Record<string, Tone>> = {
  RUNNING: 'good',
  COMPLETED: 'good',
  FINISHED: 'good',
  PARKED: 'neutral',
  INITIALIZING: 'info',
  RESTARTING: 'warn',
  IN_PROGRESS: 'info',
  CANCELLING: 'warn',
  CANCELED: 'warn',
  FAILING: 'bad',
  FAILED: 'bad',
};

export function EmptyState({
  title,
  children,
}: {
  readonly title: string;
  readonly children?: ReactNode;
}): ReactElement {
  return (
    <div className="empty">
      <p className="empty-title">{title}</p>
      {children !== undefined && <p className="muted">{children}</p>}
    </div>
  );
}

/** What stands in for data that is still to come, or could not be had. */
export function Pending({ error }: { readonly error: string | null }): ReactElement {
  if (error === null)
    return (
      <p className="muted loading" role="status">
        Loading…
      </p>
    );
  return (
    <p className="notice tone-bad" role="alert">
      {error}
    </p>
  );
}

interface MeterProps {
  readonly ratio: number;
  readonly label: string;
  readonly tone?: Tone;
}

export function Meter({ ratio, label, tone = 'info' }: MeterProps): ReactElement {
  const percent = Math.round(Math.min(1, Math.max(0, ratio)) * 100);
  return (
    <span
      className="meter"
      role="meter"
      aria-label={label}
      aria-valuenow={percent}
      aria-valuemin={0}
      aria-valuemax={100}
    >
      <span className={`meter-fill tone-${tone}`} style={{ width: `${percent}%` }} />
    </span>
  );
}

interface LoadBarProps {
  readonly busy: number;
  readonly idle: number;
  readonly backPressured: number;
}

/** How a task spends its time. */
export function LoadBar({ busy, idle, backPressured }: LoadBarProps): ReactElement {
  const text = `busy ${percentText(busy)}, back-pressured ${percentText(backPressured)}, idle ${percentText(idle)}`;
  return (
    <span className="load-bar" role="img" aria-label={text} title={text}>
      <span className="load-busy" style={{ width: percentText(busy) }} />
      <span className="load-blocked" style={{ width: percentText(backPressured) }} />
    </span>
  );
}

function percentText(ratio: number): string {
  return `${Math.round(ratio * 100)}%`;
}

/** A table that scrolls sideways by itself where the page is narrow. */
export function TableFrame({
  label,
  children,
}: {
  readonly label: string;
  readonly children: ReactNode;
}): ReactElement {
  return (
    // Whoever has no mouse must be able to scroll it.
    <div className="table-frame" role="region" aria-label={label} tabIndex={0}>
      <table>{children}</table>
    </div>
  );
}
