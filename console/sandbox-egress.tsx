// What the sandbox wanted of the network, what was said, and why; and what would be said of an address.

import { useState } from 'preact/hooks';
import type { EgressDecision } from '../client/protocol/exec.ts';
import type { AuditLine, Inspection } from './answers.ts';
import { ExplainHost } from './explain.tsx';
import { bytes, clockTime, shown } from './format.ts';
import { Badge, Card, DeniedOnly, Empty, Loading } from './parts.tsx';

const MAX_SHOWN = 300;

export function SandboxEgress({ sandbox, records }: { readonly sandbox: Inspection; readonly records: readonly AuditLine[] | null }) {
  const [isDeniedOnly, setDeniedOnly] = useState(false);
  if (records === null) return <Loading />;
  const all = records.filter(({ kind }) => kind === 'egress.decision').map((record) => record as AuditLine & EgressDecision);
  const denied = all.filter(({ verdict }) => verdict === 'deny').length;
  const rows = all.filter(({ verdict }) => !isDeniedOnly || verdict === 'deny').reverse();
  const now = Date.now();
  return (
    <>
      <ExplainHost sandbox={sandbox} />
      <Card title={`${all.length} decisions, ${denied} denied`} tools={<DeniedOnly isOn={isDeniedOnly} onChange={setDeniedOnly} />} flush>
        {rows.length === 0 ? (
          <Empty>{all.length === 0 ? 'It has not asked for the network.' : 'Nothing was denied.'}</Empty>
        ) : (
          <table>
            <thead>
              <tr>
                <th scope="col">When</th>
                <th scope="col">Verdict</th>
                <th scope="col">Where to</th>
                <th scope="col" class="wide">
                  Why
                </th>
                <th scope="col" class="number wide">
                  Up / down
                </th>
              </tr>
            </thead>
            <tbody>
              {rows.slice(0, MAX_SHOWN).map((row) => (
                <tr key={row.seq}>
                  <td class="muted nowrap">{clockTime(row.at, now)}</td>
                  <td>
                    <Badge text={row.verdict} />
                  </td>
                  <td class="break">
                    {row.method !== undefined && <span class="label">{shown(row.method)}</span>} {shown(row.host)}:{row.port}
                    {row.path === undefined ? '' : shown(row.path, { max: 120 })}
                    {row.execId !== undefined && row.execId !== null && <div class="muted small">command {shown(String(row.execId))}</div>}
                    <div class="narrow-only muted small">{shown(row.reason)}</div>
                  </td>
                  <td class="wide break">
                    {shown(row.reason)} <span class="label">{shown(row.rule)}</span>
                    {row.remedy !== undefined && <div class="muted small">{shown(row.remedy)}</div>}
                  </td>
                  <td class="number wide nowrap">
                    {bytes(row.bytesUp)} / {bytes(row.bytesDown)}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        )}
      </Card>
    </>
  );
}
