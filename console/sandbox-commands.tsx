// The commands of a sandbox: what ran, how it ended, and what it writes, live.

import { useMemo, useState } from 'preact/hooks';
import type { Command, ExecResult } from '../client/protocol/exec.ts';
import { canAct, isOperator, useAccess } from './access.ts';
import type { AuditLine, Inspection } from './answers.ts';
import { bytes, clockTime, commandText, duration, shown } from './format.ts';
import { Icon } from './icon.tsx';
import { linkTo } from './location.ts';
import { Badge, Card, Empty, Loading, Problem } from './parts.tsx';
import { useNow } from './polling.ts';
import { textOf } from './records.ts';
import { TerminalView } from './terminal-view.tsx';

export interface CommandRow {
  readonly id: string;
  readonly command: Command;
  readonly startedAt: string;
  readonly endedAt: string | null;
  /** null: it runs; `waiting`: for an answer, before it starts. */
  readonly outcome: string | null;
  readonly reason: string;
  /** Its output is still kept. */
  readonly isKept: boolean;
}

const MAX_SHOWN = 200;

/** From the records and from what the daemon still holds; the newest first. Pure. */
export function commandRows(records: readonly AuditLine[], running: Inspection['running']): CommandRow[] {
  const rows = new Map<string, CommandRow>();
  for (const record of records) {
    const { kind, execId, at } = record;
    if (typeof execId !== 'string') continue;
    const known = rows.get(execId);
    if (kind === 'exec.start')
      rows.set(execId, {
        id: execId,
        command: record['command'] as Command,
        startedAt: at,
        endedAt: null,
        outcome: null,
        reason: '',
        isKept: false,
      });
    else if (kind === 'decision' && known === undefined && record['tool'] === 'exec') {
      const { command = '' } = (record['arguments'] ?? {}) as { command?: Command };
      rows.set(execId, {
        id: execId,
        command,
        startedAt: at,
        endedAt: null,
        outcome: 'waiting',
        reason: textOf(record, 'reason'),
        isKept: false,
      });
    } else if (kind === 'exec.end' && known !== undefined)
      rows.set(execId, {
        ...known,
        endedAt: at,
        outcome: textOf(record, 'outcome'),
        reason: [textOf(record, 'reason'), textOf(record, 'rule')].filter((text) => text !== '').join(', '),
      });
  }
  for (const info of running) {
    const known = rows.get(info.id);
    rows.set(info.id, {
      id: info.id,
      command: info.command,
      startedAt: info.startedAt,
      endedAt: known?.endedAt ?? null,
      outcome: info.state === 'running' ? null : (info.outcome ?? known?.outcome ?? 'exited'),
      reason: known?.reason ?? '',
      isKept: true,
    });
  }
  return [...rows.values()].sort((a, b) => (a.startedAt < b.startedAt ? 1 : -1));
}

export function SandboxCommands({
  sandbox,
  records,
  chosen,
}: {
  readonly sandbox: Inspection;
  readonly records: readonly AuditLine[] | null;
  readonly chosen: string | null;
}) {
  const rows = useMemo(() => (records === null ? null : commandRows(records, sandbox.running)), [records, sandbox.running]);
  const now = useNow();
  if (rows === null) return <Loading />;
  if (rows.length === 0) return <Empty>No command has run here yet.</Empty>;
  const open =
    rows.find(({ id }) => id === chosen) ?? (chosen === null ? (rows.find(({ outcome }) => outcome === null) ?? rows[0]) : undefined);
  return (
    <div class="commands">
      <Card title={`${rows.length} ${rows.length === 1 ? 'command' : 'commands'}`} flush>
        <ol class="command-list">
          {rows.slice(0, MAX_SHOWN).map((row) => (
            <li key={row.id}>
              <a href={linkTo('sandboxes', sandbox.id, 'commands', row.id)} aria-current={row.id === open?.id ? 'true' : undefined}>
                <code>{commandText(row.command, 120) || row.id}</code>
                <span class="command-line">
                  <Badge text={row.outcome ?? 'running'} tone={row.outcome === null ? 'accent' : undefined} />
                  <span class="muted small">
                    {clockTime(row.startedAt, now)} ·{' '}
                    {duration((row.endedAt === null ? now : Date.parse(row.endedAt)) - Date.parse(row.startedAt))}
                  </span>
                </span>
              </a>
            </li>
          ))}
        </ol>
        {rows.length > MAX_SHOWN && <p class="empty">The audit log has the older ones.</p>}
      </Card>
      {open !== undefined && <OpenCommand key={open.id} sandbox={sandbox} row={open} />}
    </div>
  );
}

function OpenCommand({ sandbox, row }: { readonly sandbox: Inspection; readonly row: CommandRow }) {
  const access = useAccess();
  const [result, setResult] = useState<ExecResult | null>(null);
  const [error, setError] = useState<unknown>(null);
  const kill = async (signal?: 'SIGINT'): Promise<void> => {
    setError(null);
    const params = { sandbox: sandbox.id, execId: row.id, ...(signal === undefined ? {} : { signal }) };
    try {
      if (!isOperator(access)) await access.work.join(sandbox, false, 'participant');
      await (isOperator(access) ? access.control : access.work).call('exec.kill', params);
    } catch (problem) {
      setError(problem);
    }
  };
  return (
    <Card
      title={<code class="command-title">{commandText(row.command, 400) || row.id}</code>}
      tools={
        (row.outcome === null || row.outcome === 'waiting') &&
        canAct(access) && (
          <>
            <button type="button" onClick={() => void kill('SIGINT')}>
              Interrupt
            </button>
            <button type="button" class="danger" onClick={() => void kill()}>
              <Icon name="stop" /> Kill
            </button>
          </>
        )
      }
    >
      <Problem error={error} />
      {row.isKept && sandbox.state !== 'paused' ? (
        <TerminalView sandbox={sandbox} execId={row.id} onResult={setResult} />
      ) : (
        <p class="muted">{whyNothing(sandbox, row)}</p>
      )}
      <p class="outcome" role="status">
        <Badge text={row.outcome ?? 'running'} tone={row.outcome === null ? 'accent' : undefined} />
        {result !== null && <ResultLine result={result} />}
        {row.reason !== '' && <span>{shown(row.reason)}</span>}
        <span class="muted small">id {shown(row.id)}</span>
      </p>
    </Card>
  );
}

function whyNothing({ state }: Inspection, { outcome }: CommandRow): string {
  if (outcome === 'waiting') return 'It has not started: it waits for an answer, which the page of confirmations gives.';
  if (outcome === 'denied') return 'It was denied before it started.';
  return state === 'paused' ? 'The sandbox is paused; the output is shown once it is resumed.' : 'Its output is kept no longer.';
}

function ResultLine({ result }: { readonly result: ExecResult }) {
  const { exitCode, signal, durationMs, cpuMs, maxRssBytes, by, notes } = result;
  return (
    <>
      {exitCode !== null && <span>exit {exitCode}</span>}
      {signal !== null && <span>{shown(signal)}</span>}
      {by !== undefined && <span>by {shown(by)}</span>}
      <span class="muted">
        {duration(durationMs)}, {duration(cpuMs)} of processor time, {bytes(maxRssBytes)} at most
      </span>
      {notes.map(({ code, detail }) => (
        <span key={code} class="label" title={detail === undefined ? undefined : shown(detail)}>
          {code}
        </span>
      ))}
    </>
  );
}
