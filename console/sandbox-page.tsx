// Everything about one sandbox: what it is, what it does, what it was refused, and the ways to stop it.

import { useRef, useState } from 'preact/hooks';
import { useAccess } from './access.ts';
import type { Inspection } from './answers.ts';
import { bytes, count, processors, shown, since } from './format.ts';
import { linkTo } from './location.ts';
import { Badge, Loading, Meter, PageHead, Problem } from './parts.tsx';
import { usePolling } from './polling.ts';
import { useRecords } from './records.ts';
import { SandboxActions } from './sandbox-actions.tsx';
import { SandboxChanges } from './sandbox-changes.tsx';
import { SandboxCommands } from './sandbox-commands.tsx';
import { SandboxDecisions } from './sandbox-decisions.tsx';
import { SandboxEgress } from './sandbox-egress.tsx';
import { SandboxFiles } from './sandbox-files.tsx';
import { SandboxReceipt } from './sandbox-receipt.tsx';
import { SandboxRecording } from './sandbox-recording.tsx';
import { SandboxUsage } from './sandbox-usage.tsx';

const TABS: readonly (readonly [tab: string, title: string])[] = [
  ['commands', 'Commands'],
  ['egress', 'Egress'],
  ['permissions', 'Permissions'],
  ['files', 'Files'],
  ['changes', 'Changes'],
  ['usage', 'Usage'],
  ['receipt', 'Receipt'],
  ['recording', 'Recording'],
];

export function SandboxPage({ id, tab, rest }: { readonly id: string; readonly tab: string; readonly rest: readonly string[] }) {
  const { http } = useAccess();
  const [isLeaving, setLeaving] = useState(false);
  const last = useRef<Inspection | null>(null);
  const { value, error, refresh } = usePolling(
    id,
    // What is being closed has no more to say.
    async (signal) =>
      (last.current = (isLeaving ? last.current : null) ?? (await http.get<Inspection>(`/v1/inspect/${encodeURIComponent(id)}`, signal))),
    2000,
  );
  const records = useRecords(id, value?.createdAt ?? null);
  if (value === null) return error === null ? <Loading /> : <Gone id={id} error={error} />;
  return (
    <>
      <PageHead
        title={
          <>
            <a href={linkTo('sandboxes')}>Sandboxes</a> <span aria-hidden="true">/</span> {shown(value.session)}{' '}
            <Badge text={value.state} />
          </>
        }
      >
        <SandboxActions sandbox={value} onDone={refresh} onLeaving={setLeaving} />
      </PageHead>
      <Problem error={error} />
      <p class="muted ids">
        <code>{id}</code> {shown(value.tenant)} · {shown(value.image)} · {shown(value.profile)} · {shown(value.runtime)} · open for{' '}
        {since(value.createdAt, Date.now())}
        {Object.entries(value.labels).map(([name, text]) => (
          <span key={name} class="label">
            {name}={shown(text, { max: 60 })}
          </span>
        ))}
      </p>
      <Gauges sandbox={value} />
      <nav class="tabs" aria-label="Parts of this sandbox">
        {TABS.map(([name, title]) => (
          <a key={name} href={linkTo('sandboxes', id, name)} aria-current={name === tab ? 'page' : undefined}>
            {title}
          </a>
        ))}
      </nav>
      <Tab sandbox={value} tab={tab} rest={rest} records={records} />
    </>
  );
}

function Tab({
  sandbox,
  tab,
  rest,
  records,
}: {
  readonly sandbox: Inspection;
  readonly tab: string;
  readonly rest: readonly string[];
  readonly records: ReturnType<typeof useRecords>;
}) {
  switch (tab) {
    case 'egress':
      return <SandboxEgress sandbox={sandbox} records={records} />;
    case 'permissions':
      return <SandboxDecisions sandbox={sandbox} records={records} />;
    case 'files':
      return <SandboxFiles sandbox={sandbox} path={rest} />;
    case 'changes':
      return <SandboxChanges sandbox={sandbox} />;
    case 'usage':
      return <SandboxUsage sandbox={sandbox} />;
    case 'receipt':
      return <SandboxReceipt sandbox={sandbox} />;
    case 'recording':
      return <SandboxRecording id={sandbox.id} />;
    default:
      return <SandboxCommands sandbox={sandbox} records={records} chosen={rest[0] ?? null} />;
  }
}

function Gauges({ sandbox: { usage, limits } }: { readonly sandbox: Inspection }) {
  const rows = [
    ['CPU', processors(usage?.cpus), `of ${limits.cpus}`, usage?.cpus ?? null, limits.cpus],
    ['Memory', bytes(usage?.memoryBytes), `of ${bytes(limits.memoryBytes)}`, usage?.memoryBytes ?? null, limits.memoryBytes],
    ['Processes', count(usage?.pids), `of ${limits.pids}`, usage?.pids ?? null, limits.pids],
    ['Disk', bytes(usage?.diskBytes), `of ${bytes(limits.diskBytes)}`, usage?.diskBytes ?? null, limits.diskBytes],
  ] as const;
  return (
    <div class="gauges">
      {rows.map(([name, value, limit, used, max]) => (
        <div key={name}>
          <span class="muted small">{name}</span>
          <strong>{value}</strong> <span class="muted small">{limit}</span>
          <Meter value={used} max={max} label={`${name} of its limit`} />
        </div>
      ))}
    </div>
  );
}

function Gone({ id, error }: { readonly id: string; readonly error: unknown }) {
  return (
    <>
      <PageHead title="Sandbox" />
      <Problem error={error} />
      <p>
        What it did is on record: <a href={linkTo('audit', id)}>its audit records</a>. <a href={linkTo('sandboxes')}>All sandboxes</a>
      </p>
      <SandboxRecording id={id} isQuiet />
    </>
  );
}
