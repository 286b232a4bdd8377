// What the permission rules said of each call, the questions people were asked, and their answers.

import { useState } from 'preact/hooks';
import type { AuditLine, Inspection } from './answers.ts';
import { ExplainCommand } from './explain.tsx';
import { clockTime, commandText, shown } from './format.ts';
import { Badge, Card, DeniedOnly, Empty, Loading } from './parts.tsx';
import { textOf } from './records.ts';

const MAX_SHOWN = 300;

/** `confirm.request` and `confirm.answer` stand beside the decisions they belong to. */
const verdictOf = (record: AuditLine): string => {
  if (record.kind === 'confirm.request') return 'asked';
  if (record.kind === 'confirm.answer') return textOf(record, 'answer');
  return textOf(record, 'verdict') || textOf(record, 'code');
};

const TONES: Readonly<Record<string, 'good' | 'warn' | 'fail'>> = {
  asked: 'warn',
  'allow-once': 'good',
  'allow-session': 'good',
  nobody: 'fail',
  timeout: 'fail',
};

const isDenial = (record: AuditLine): boolean => ['deny', 'nobody', 'timeout'].includes(verdictOf(record)) || record.kind === 'denied';

/** What is allowed is on record without its arguments; of a command they stand where it was started. */
function aboutText(record: AuditLine, commands: ReadonlyMap<unknown, unknown>): string {
  const started = commands.get(record.execId);
  if (record['arguments'] === undefined && started !== undefined) return commandText(started as string | string[], 200);
  const args = record['arguments'];
  if (typeof args === 'object' && args !== null) {
    const { command, path, to } = args as { command?: unknown; path?: unknown; to?: unknown };
    if (typeof command === 'string' || Array.isArray(command)) return commandText(command as string | string[], 200);
    if (typeof path === 'string') return shown(`${path}${typeof to === 'string' ? ` → ${to}` : ''}`);
    return shown(JSON.stringify(args), { max: 200 });
  }
  return shown(textOf(record, 'summary') || textOf(record, 'message') || textOf(record, 'by'), { max: 200 });
}

export function SandboxDecisions({ sandbox, records }: { readonly sandbox: Inspection; readonly records: readonly AuditLine[] | null }) {
  const [isDeniedOnly, setDeniedOnly] = useState(false);
  if (records === null) return <Loading />;
  const all = records.filter(({ kind }) => kind === 'decision' || kind === 'denied' || kind.startsWith('confirm.'));
  const rows = all.filter((record) => !isDeniedOnly || isDenial(record)).reverse();
  const commands = new Map(records.filter(({ kind }) => kind === 'exec.start').map((record) => [record.execId, record['command']]));
  const now = Date.now();
  return (
    <>
      <ExplainCommand sandbox={sandbox} />
      <Card
        title={`${all.length} decisions, ${all.filter(isDenial).length} denied`}
        tools={<DeniedOnly isOn={isDeniedOnly} onChange={setDeniedOnly} />}
        flush
      >
        {rows.length === 0 ? (
          <Empty>{all.length === 0 ? 'Nothing was decided yet.' : 'Nothing was denied.'}</Empty>
        ) : (
          <table>
            <thead>
              <tr>
                <th scope="col">When</th>
                <th scope="col">Verdict</th>
                <th scope="col">Call</th>
                <th scope="col" class="wide">
                  Why
                </th>
              </tr>
            </thead>
            <tbody>
              {rows.slice(0, MAX_SHOWN).map((record) => {
                const verdict = verdictOf(record);
                return (
                  <tr key={record.seq}>
                    <td class="muted nowrap">{clockTime(record.at, now)}</td>
                    <td>
                      <Badge text={verdict} tone={TONES[verdict]} />
                    </td>
                    <td class="break">
                      <span class="label">{shown(textOf(record, 'tool') || textOf(record, 'op') || record.kind)}</span>{' '}
                      <code>{aboutText(record, commands)}</code>
                      <div class="narrow-only muted small">{shown(textOf(record, 'reason'))}</div>
                    </td>
                    <td class="wide break">
                      {shown(textOf(record, 'reason'))}{' '}
                      {textOf(record, 'rule') !== '' && <span class="label">{shown(textOf(record, 'rule'))}</span>}
                      {textOf(record, 'remedy') !== '' && <div class="muted small">{shown(textOf(record, 'remedy'))}</div>}
                    </td>
                  </tr>
                );
              })}
            </tbody>
          </table>
        )}
      </Card>
    </>
  );
}
