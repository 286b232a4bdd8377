// A question in front of the page. The browser's own dialog keeps the focus inside and closes on Escape.

import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { Problem } from './parts.tsx';

interface DialogProps {
  readonly title: string;
  readonly action: string;
  readonly isDangerous?: boolean;
  readonly onDone: () => void;
  readonly onAct: () => Promise<unknown>;
  readonly children: ComponentChildren;
}

export function Dialog({ title, action, isDangerous, onDone, onAct, children }: DialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  useEffect(() => {
    const former = document.activeElement;
    dialog.current?.showModal();
    return () => {
      if (former instanceof HTMLElement) former.focus();
    };
  }, []);
  const act = async (): Promise<void> => {
    setBusy(true);
    setError(null);
    try {
      await onAct();
      onDone();
    } catch (problem) {
      setError(problem);
      setBusy(false);
    }
  };
  return (
    <dialog ref={dialog} aria-labelledby="dialog-title" onClose={onDone}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void act();
        }}
      >
        <h2 id="dialog-title">{title}</h2>
        {children}
        <Problem error={error} />
        <div class="dialog-buttons">
          <button type="button" onClick={onDone}>
            Cancel
          </button>
          <button type="submit" class={isDangerous === true ? 'danger' : 'primary'} disabled={isBusy}>
            {isBusy ? 'Working…' : action}
          </button>
        </div>
      </form>
    </dialog>
  );
}
