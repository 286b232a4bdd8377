// What can be looked at only in a sandbox that runs: who may not read is told so, and a paused one is resumed when it is asked for.

import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import { canRead, useAccess } from './access.ts';
import type { Inspection } from './answers.ts';
import { Empty } from './parts.tsx';

interface WokenProps {
  readonly sandbox: Inspection;
  /** What resumes it. */
  readonly doing: string;
  readonly children: ComponentChildren;
}

export function Woken({ sandbox, doing, children }: WokenProps) {
  const access = useAccess();
  const [isWoken, setWoken] = useState(false);
  if (!canRead(access)) return <Empty>An observer sees commands and decisions, not files.</Empty>;
  if (sandbox.state === 'paused' && !isWoken)
    return (
      <Empty>
        The sandbox is paused; {doing} resumes it.{' '}
        <button type="button" onClick={() => setWoken(true)}>
          Resume and show
        </button>
      </Empty>
    );
  return <>{children}</>;
}
