// What can be done to a sandbox as a whole: pause, resume, extend, close. Not there for those who may only look.

import { useState } from 'preact/hooks';
import { canAct, useAccess } from './access.ts';
import type { Inspection } from './answers.ts';
import { Dialog } from './dialog.tsx';
import { shown } from './format.ts';
import { Icon } from './icon.tsx';
import { goTo } from './location.ts';

const HOUR = 3_600_000;
const EXTENSIONS: readonly (readonly [ms: number, title: string])[] = [
  [HOUR / 4, '15 minutes'],
  [HOUR, '1 hour'],
  [8 * HOUR, '8 hours'],
  [24 * HOUR, '1 day'],
  [7 * 24 * HOUR, '7 days'],
];

type Asking = 'pause' | 'extend' | 'close' | null;

interface ActionsProps {
  readonly sandbox: Inspection;
  readonly onDone: () => void;
  /** It is about to end, or is not after all. */
  readonly onLeaving: (isLeaving: boolean) => void;
}

export function SandboxActions({ sandbox, onDone, onLeaving }: ActionsProps) {
  const access = useAccess();
  const [asking, setAsking] = useState<Asking>(null);
  const [isForced, setForced] = useState(false);
  const [ttlMs, setTtlMs] = useState(HOUR);
  const [workspace, setWorkspace] = useState<'keep' | 'delete'>('keep');
  if (!canAct(access)) return <span class="muted small">You may look, not act.</span>;
  const { control } = access;
  const id = sandbox.id;
  const done = (): void => {
    setAsking(null);
    onDone();
  };
  return (
    <>
      {sandbox.state === 'paused' ? (
        <button type="button" onClick={() => void control.call('resume', { sandbox: id }).finally(onDone)}>
          <Icon name="play" /> Resume
        </button>
      ) : (
        <button type="button" onClick={() => setAsking('pause')}>
          <Icon name="pause" /> Pause
        </button>
      )}
      <button type="button" onClick={() => setAsking('extend')}>
        <Icon name="clock" /> Extend
      </button>
      <button type="button" class="danger" onClick={() => setAsking('close')}>
        <Icon name="close" /> Close
      </button>
      {asking === 'pause' && (
        <Dialog
          title={`Pause ${shown(sandbox.session)}?`}
          action="Pause"
          onDone={done}
          onAct={() => control.call('pause', { sandbox: id, force: isForced })}
        >
          <p>Everything in it stands still until its next call.</p>
          <label class="check">
            <input type="checkbox" checked={isForced} onChange={(event) => setForced(event.currentTarget.checked)} />
            Also while commands run; they stand still, and their time limits with them
          </label>
        </Dialog>
      )}
      {asking === 'extend' && (
        <Dialog
          title={`Extend ${shown(sandbox.session)}`}
          action="Extend"
          onDone={done}
          onAct={() => control.call('extend', { sandbox: id, ttlMs })}
        >
          <label for="extension">From now on it may live for</label>
          <select id="extension" value={String(ttlMs)} onChange={(event) => setTtlMs(Number(event.currentTarget.value))}>
            {EXTENSIONS.map(([ms, title]) => (
              <option key={ms} value={String(ms)}>
                {title}
              </option>
            ))}
          </select>
        </Dialog>
      )}
      {asking === 'close' && (
        <Dialog
          title={`Close ${shown(sandbox.session)}?`}
          action="Close it"
          isDangerous
          onDone={done}
          onAct={async () => {
            onLeaving(true);
            await control.call('close', { sandbox: id, workspace }).catch((error: unknown) => {
              onLeaving(false);
              throw error;
            });
            goTo('sandboxes');
          }}
        >
          <p>Its commands end, and whatever is not in the workspace is gone.</p>
          <fieldset>
            <legend>Workspace</legend>
            <label class="check">
              <input type="radio" name="workspace" checked={workspace === 'keep'} onChange={() => setWorkspace('keep')} />
              Keep it for the next session of this name
            </label>
            <label class="check">
              <input type="radio" name="workspace" checked={workspace === 'delete'} onChange={() => setWorkspace('delete')} />
              Delete it
            </label>
          </fieldset>
        </Dialog>
      )}
    </>
  );
}
