// The output of one command in a terminal that only shows. What tenants write is shown and never obeyed beyond the screen's own
// cells: no titles, links, clipboard, notifications, colours of the page or answers to its questions.

import { FitAddon } from '@xterm/addon-fit';
import { type ITheme, Terminal } from '@xterm/xterm';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { ExecResult } from '../client/protocol/exec.ts';
import { isOperator, useAccess } from './access.ts';
import type { Inspection } from './answers.ts';
import { bytes } from './format.ts';
import { isAbort } from './http.ts';
import { Problem } from './parts.tsx';

/** Every operating-system command a terminal of this kind or another one obeys: swallowed whole. */
const SWALLOWED = [
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 21, 22, 50, 51, 52, 99, 104, 105, 110, 111, 112, 117, 119, 133, 633,
  777, 1337,
];
const SCROLLBACK = 5000;

/** Dark in either scheme: what commands print is made for that. */
const THEME: ITheme = {
  background: '#0b1215',
  foreground: '#dbe4e6',
  cursor: '#0b1215',
  selectionBackground: '#2c5a63',
  black: '#1d2a30',
  brightBlack: '#7d8f96',
};

export function TerminalView({
  sandbox,
  execId,
  onResult,
}: {
  readonly sandbox: Inspection;
  readonly execId: string;
  readonly onResult: (result: ExecResult) => void;
}) {
  const access = useAccess();
  const place = useRef<HTMLDivElement>(null);
  const [gap, setGap] = useState(0);
  const [error, setError] = useState<unknown>(null);
  const { id, tenant, session } = sandbox;
  useEffect(() => {
    const element = place.current;
    if (element === null) return undefined;
    const { terminal, remove } = showTerminal(element);
    const wire = access.newWire();
    let isHere = true;
    const attach = async (): Promise<void> => {
      const operates = isOperator(access);
      if (!operates) await wire.join({ id, tenant, session }, false, 'observer');
      const params = { sandbox: id, execId };
      const result = await wire.stream('exec.attach', params, {
        onBytes: (data, consumed) => terminal.write(data, consumed),
        onGap: (from, to) => setGap((before) => before + to - from),
      });
      if (isHere) onResult(result);
    };
    attach().catch((problem: unknown) => {
      if (isHere && !isAbort(problem)) setError(problem);
    });
    return () => {
      isHere = false;
      wire.close();
      remove();
    };
  }, [access, id, tenant, session, execId, onResult]);
  return (
    <>
      <Problem error={error} />
      {gap > 0 && <p class="muted small">{bytes(gap)} before this are kept no longer.</p>}
      <div class="terminal" ref={place} role="region" aria-label="Output" />
    </>
  );
}

/** A screen that shows and does not obey, in that place and as large as it, until it is removed. */
export function showTerminal(element: HTMLElement): { readonly terminal: Terminal; readonly remove: () => void } {
  const terminal = makeTerminal();
  const fit = new FitAddon();
  terminal.loadAddon(fit);
  terminal.open(element);
  const resized = new ResizeObserver(() => fit.fit());
  resized.observe(element);
  return {
    terminal,
    remove: () => {
      resized.disconnect();
      terminal.dispose();
    },
  };
}

function makeTerminal(): Terminal {
  const terminal = new Terminal({
    disableStdin: true,
    convertEol: true,
    scrollback: SCROLLBACK,
    fontSize: 13,
    fontFamily: 'ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace',
    theme: THEME,
    minimumContrastRatio: 4.5,
    cursorInactiveStyle: 'none',
    screenReaderMode: true,
    linkHandler: null,
    windowOptions: {},
  });
  for (const code of SWALLOWED) terminal.parser.registerOscHandler(code, () => true);
  // Window operations, and questions whose answers nobody would get.
  terminal.parser.registerCsiHandler({ final: 't' }, () => true);
  terminal.parser.registerCsiHandler({ final: 'n' }, () => true);
  terminal.parser.registerCsiHandler({ final: 'c' }, () => true);
  terminal.parser.registerDcsHandler({ intermediates: '$', final: 'q' }, () => true);
  return terminal;
}
