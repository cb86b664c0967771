import { useEffect, useRef, useState } from 'react';
import type { ReactElement } from 'react';

import { act, getJson, jobPath } from './api/client.js';
import { useHasRoute, useLive } from './api/hooks.js';
import type { OperationBegun, OperationProgress, Restart, Snapshot, TakenCheckpoint } from './api/types.js';
import { ConfirmDialog } from './components/dialog.js';

/** What can be done to the job. */
interface Action {
  readonly id: string;
  readonly label: string;
  readonly title: string;
  readonly text: string;
  readonly verb: string;
  readonly isDangerous: boolean;
  readonly number?: (snapshot: Snapshot) => { label: string; least: number; most: number; initial: number };
  /** @returns what is said when it is done. */
  readonly run: (snapshot: Snapshot, value: number) => Promise<string>;
}

const checkpoint: Action = {
  id: 'checkpoint',
  label: 'Take a checkpoint',
  title: 'Take a checkpoint now?',
  text: 'The job goes on meanwhile. A crash after it replays nothing from before.',
  verb: 'Take checkpoint',
  isDangerous: false,
  run: async ({ job }) => {
    const { checkpointId } = (await act('POST', jobPath(job.jid, 'checkpoints'))) as TakenCheckpoint;
    return `Checkpoint ${checkpointId} is complete.`;
  },
};

const savepoint: Action = {
  id: 'savepoint',
  label: 'Take a savepoint…',
  title: 'Take a savepoint now?',
  text: 'A savepoint is kept until you delete it. The job can go on from it with other code, or at another parallelism.',
  verb: 'Take savepoint',
  isDangerous: false,
  run: async ({ job }) => {
    const path = jobPath(job.jid, 'savepoints');
    const { 'request-id': id } = (await act('POST', path, {})) as OperationBegun;
    return savepointOutcome(`${path}/${encodeURIComponent(id)}`);
  },
};

const ASK_AGAIN_MS = 500;

/** Asks until the savepoint is there, and says where. @throws Error when it failed */
async function savepointOutcome(path: string): Promise<string> {
  for (;;) {
    const { status, operation } = await getJson<OperationProgress>(path);
    const failure = operation?.['failure-cause'];
    if (failure !== undefined) throw new Error(failure['stack-trace'] ?? failure.class ?? 'The savepoint failed.');
    if (status.id === 'COMPLETED') return `The savepoint lies in ${operation?.location ?? 'its folder'}.`;
    await new Promise((resolve) => setTimeout(resolve, ASK_AGAIN_MS));
  }
}

const rescale: Action = {
  id: 'rescale',
  label: 'Rescale…',
  title: 'Move to another number of workers?',
  text: 'The job moves in place: requests wait meanwhile, and none is lost.',
  verb: 'Rescale',
  isDangerous: false,
  number: ({ workers }) => ({ label: 'Worker threads', least: 1, most: 256, initial: workers.length }),
  run: async ({ job }, parallelism) => {
    await act('PATCH', jobPath(job.jid, 'parallelism'), { parallelism });
    return `The job runs on ${parallelism} worker${parallelism === 1 ? '' : 's'}.`;
  },
};

const restart: Action = {
  id: 'restart',
  label: 'Restart…',
  title: 'Restart the job?',
  text: 'A new attempt begins at the newest checkpoint, and does again what came after it. Requests wait meanwhile, and none is lost; sinks that are not exactly-once may write a record twice.',
  verb: 'Restart job',
  isDangerous: true,
  run: async ({ job }) => {
    const { checkpointId } = (await act('POST', jobPath(job.jid, 'restart'))) as Restart;
    return checkpointId === null
      ? 'The job runs again, from its beginning.'
      : `The job runs again, from checkpoint ${checkpointId}.`;
  },
};

const cancel: Action = {
  id: 'cancel',
  label: 'Cancel the job…',
  title: 'Cancel the job?',
  text: 'New requests are turned away, pending ones are answered, a last checkpoint is taken, and the process ends. It goes on from there at its next start.',
  verb: 'Cancel job',
  isDangerous: true,
  run: async ({ job }) => {
    await act('PATCH', `${jobPath(job.jid)}?mode=cancel`);
    return 'The job is being cancelled.';
  },
};

/** The actions that this process knows, each behind a question. */
export function ActionsMenu(): ReactElement | null {
  const { snapshot } = useLive();
  const [isOpen, setIsOpen] = useState(false);
  const [chosen, setChosen] = useState<Action | null>(null);
  const menu = useRef<HTMLDivElement>(null);
  const actions = useActions();
  useEffect(() => {
    if (!isOpen) return undefined;
    menu.current?.querySelector<HTMLElement>('[role=menuitem]')?.focus();
    const close = (event: Event): void => {
      const isInside = menu.current?.contains(event.target as Node) === true;
      if (event instanceof KeyboardEvent ? event.key === 'Escape' : !isInside) setIsOpen(false);
    };
    addEventListener('pointerdown', close);
    addEventListener('keydown', close);
    return () => {
      removeEventListener('pointerdown', close);
      removeEventListener('keydown', close);
    };
  }, [isOpen]);
  if (snapshot === null) return null;
  return (
    <div className="menu-host" ref={menu}>
      <button
        type="button"
        className="button"
        aria-haspopup="menu"
        aria-expanded={isOpen}
        onClick={() => setIsOpen(!isOpen)}
      >
        Actions
      </button>
      {isOpen && (
        <MenuItems
          actions={actions}
          onChoose={(action) => {
            setIsOpen(false);
            setChosen(action);
          }}
        />
      )}
      {chosen !== null && (
        <ConfirmDialog
          key={chosen.id}
          title={chosen.title}
          text={chosen.text}
          verb={chosen.verb}
          isDangerous={chosen.isDangerous}
          {...(chosen.number === undefined ? {} : { number: chosen.number(snapshot) })}
          run={(value) => chosen.run(snapshot, value)}
          onClose={() => setChosen(null)}
        />
      )}
    </div>
  );
}

interface MenuItemsProps {
  readonly actions: readonly Action[];
  readonly onChoose: (action: Action) => void;
}

function MenuItems({ actions, onChoose }: MenuItemsProps): ReactElement {
  const move = (event: React.KeyboardEvent<HTMLDivElement>): void => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const items = [...event.currentTarget.querySelectorAll<HTMLElement>('[role=menuitem]')];
    const at = items.indexOf(document.activeElement as HTMLElement);
    items.at((at + step) % items.length)?.focus();
  };
  return (
    <div className="menu" role="menu" aria-label="Actions" onKeyDown={move}>
      {actions.map((action) => (
        <button
          key={action.id}
          type="button"
          role="menuitem"
          className={action.isDangerous ? 'menu-item danger' : 'menu-item'}
          onClick={() => onChoose(action)}
        >
          {action.label}
        </button>
      ))}
    </div>
  );
}

function useActions(): readonly Action[] {
  const isThere = {
    checkpoint: useHasRoute('post', '/jobs/{jobId}/checkpoints'),
    savepoint: useHasRoute('post', '/jobs/{jobId}/savepoints'),
    rescale: useHasRoute('patch', '/jobs/{jobId}/parallelism'),
    restart: useHasRoute('post', '/jobs/{jobId}/restart'),
    cancel: useHasRoute('patch', '/jobs/{jobId}'),
  };
  return [checkpoint, savepoint, rescale, restart, cancel].filter(({ id }) => isThere[id as keyof typeof isThere]);
}
