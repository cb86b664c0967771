import { useEffect, useId, useRef, useState } from 'react';
import type { ReactElement, ReactNode } from 'react';

interface DialogProps {
  readonly title: string;
  readonly children: ReactNode;
  readonly onClose: () => void;
}

/** A modal dialog: the browser keeps the focus in it, and Escape closes it. */
export function Dialog({ title, children, onClose }: DialogProps): ReactElement {
  const ref = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    ref.current?.showModal();
  }, []);
  return (
    <dialog ref={ref} className="dialog" aria-labelledby={id} onClose={onClose}>
      <h2 id={id}>{title}</h2>
      {children}
    </dialog>
  );
}

interface ConfirmProps {
  readonly title: string;
  readonly text: string;
  /** What the button says: a verb. */
  readonly verb: string;
  readonly isDangerous?: boolean;
  /** A number to be chosen, if the action needs one. */
  readonly number?: { readonly label: string; readonly least: number; readonly most: number; readonly initial: number };
  readonly run: (value: number) => Promise<string>;
  readonly onClose: () => void;
}

/** Asks before an action, runs it, and says what came of it. */
export function ConfirmDialog(props: ConfirmProps): ReactElement {
  const { title, text, verb, isDangerous = false, number, run, onClose } = props;
  const [value, setValue] = useState(number?.initial ?? 0);
  const [outcome, setOutcome] = useState<{ readonly text: string; readonly isGood: boolean } | null>(null);
  const [isRunning, setIsRunning] = useState(false);
  const confirm = async (): Promise<void> => {
    setIsRunning(true);
    try {
      setOutcome({ text: await run(value), isGood: true });
    } catch (error) {
      setOutcome({ text: error instanceof Error ? error.message : String(error), isGood: false });
    } finally {
      setIsRunning(false);
    }
  };
  return (
    <Dialog title={title} onClose={onClose}>
      <p>{text}</p>
      {number !== undefined && (
        <label className="field">
          {number.label}
          <input
            type="number"
            min={number.least}
            max={number.most}
            value={value}
            onChange={(event) => setValue(event.target.valueAsNumber)}
          />
        </label>
      )}
      {outcome !== null && (
        <p className={`notice tone-${outcome.isGood ? 'good' : 'bad'}`} role="status">
          {outcome.text}
        </p>
      )}
      <div className="dialog-buttons">
        <button type="button" className="button" onClick={onClose}>
          {outcome?.isGood === true ? 'Close' : 'Keep as it is'}
        </button>
        {outcome?.isGood !== true && (
          <button
            type="button"
            className={isDangerous ? 'button danger' : 'button primary'}
            disabled={isRunning || Number.isNaN(value)}
            onClick={() => void confirm()}
          >
            {isRunning ? 'Working…' : verb}
          </button>
        )}
      </div>
    </Dialog>
  );
}
