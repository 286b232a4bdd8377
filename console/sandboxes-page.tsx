// Every sandbox there is: filtered, sorted, with what it uses right now.

import type { VNode } from 'preact';
import { useMemo, useRef, useState } from 'preact/hooks';
import type { LiveSandbox } from './answers.ts';
import { bytes, count, processors, roughly, shown } from './format.ts';
import { useLiveContext } from './live.ts';
import { linkTo } from './location.ts';
import { Badge, Card, Empty, Loading, Meter, PageHead } from './parts.tsx';
import { inOrder, SortHead, useOrder } from './sort.tsx';

/** Rows remembered, of sandboxes that are gone, too. */
const MAX_DRAWN = 5000;
const STATES = ['running', 'paused', 'starting', 'closing', 'failed'];

/** When it ends by itself: its TTL, or its idle time if nothing happens. */
const endOf = ({ expiresAt, lastUsedAt, idleMs, execs }: LiveSandbox): number => {
  const ttl = expiresAt === null ? Number.POSITIVE_INFINITY : Date.parse(expiresAt);
  return execs > 0 ? ttl : Math.min(ttl, Date.parse(lastUsedAt) + idleMs);
};

const KEYS: Readonly<Record<string, (sandbox: LiveSandbox) => number | string>> = {
  session: ({ session }) => session,
  tenant: ({ tenant }) => tenant,
  state: ({ state }) => state,
  execs: ({ execs }) => execs,
  cpus: ({ usage }) => usage?.cpus ?? -1,
  memory: ({ usage }) => usage?.memoryBytes ?? -1,
  pids: ({ usage }) => usage?.pids ?? -1,
  disk: ({ usage }) => usage?.diskBytes ?? -1,
  age: ({ createdAt }) => -Date.parse(createdAt),
  ends: endOf,
};

/** NAME=VALUE of a label, or a part of anything that has a name. */
function matches(sandbox: LiveSandbox, text: string): boolean {
  return text
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== '')
    .every((word) => {
      const at = word.indexOf('=');
      if (at > 0)
        return Object.entries(sandbox.labels).some(
          ([name, value]) => name.toLowerCase() === word.slice(0, at) && value.toLowerCase().includes(word.slice(at + 1)),
        );
      return [sandbox.id, sandbox.session, sandbox.image, sandbox.profile, ...Object.values(sandbox.labels)].some((name) =>
        name.toLowerCase().includes(word),
      );
    });
}

export function SandboxesPage() {
  const { overview } = useLiveContext();
  const [text, setText] = useState('');
  const [tenant, setTenant] = useState('');
  const [state, setState] = useState('');
  const [order, onOrder] = useOrder('cpus', true);
  const sandboxes = overview.value?.sandboxes;
  const tenants = useMemo(() => [...new Set(sandboxes?.map((sandbox) => sandbox.tenant))].sort(), [sandboxes]);
  const drawn = useRef(new Map<string, DrawnRow>());
  if (sandboxes === undefined) return <Loading />;
  const rows = inOrder(
    sandboxes.filter(
      (sandbox) => (tenant === '' || sandbox.tenant === tenant) && (state === '' || sandbox.state === state) && matches(sandbox, text),
    ),
    order,
    KEYS[order.by] ?? endOf,
  );
  const head = { order, onOrder };
  const now = Date.now();
  return (
    <>
      <PageHead title="Sandboxes">
        <span class="muted" role="status">
          {rows.length === sandboxes.length ? `${count(rows.length)} open` : `${count(rows.length)} of ${count(sandboxes.length)}`}
        </span>
      </PageHead>
      <div class="filters">
        <input
          type="search"
          aria-label="Filter by name or label"
          placeholder="Name, image, or label=value"
          value={text}
          onInput={(event) => setText(event.currentTarget.value)}
        />
        <select aria-label="Tenant" value={tenant} onChange={(event) => setTenant(event.currentTarget.value)}>
          <option value="">All tenants</option>
          {tenants.map((name) => (
            <option key={name} value={name}>
              {shown(name)}
            </option>
          ))}
        </select>
        <select aria-label="State" value={state} onChange={(event) => setState(event.currentTarget.value)}>
          <option value="">All states</option>
          {STATES.map((name) => (
            <option key={name} value={name}>
              {name}
            </option>
          ))}
        </select>
      </div>
      <Card flush>
        {rows.length === 0 ? (
          <Empty>{sandboxes.length === 0 ? 'No sandbox is open.' : 'None matches these filters.'}</Empty>
        ) : (
          <table class="sandboxes">
            <thead>
              <tr>
                <SortHead name="session" {...head}>
                  Session
                </SortHead>
                <SortHead name="state" {...head}>
                  State
                </SortHead>
                <SortHead name="execs" class="number wide" {...head}>
                  Commands
                </SortHead>
                <SortHead name="cpus" class="number" {...head}>
                  CPU
                </SortHead>
                <SortHead name="memory" class="number" {...head}>
                  Memory
                </SortHead>
                <SortHead name="pids" class="number wide" {...head}>
                  Pids
                </SortHead>
                <SortHead name="disk" class="number wide" {...head}>
                  Disk
                </SortHead>
                <SortHead name="age" class="number wide" {...head}>
                  Age
                </SortHead>
                <SortHead name="ends" class="number wide" {...head}>
                  Ends in
                </SortHead>
              </tr>
            </thead>
            <tbody>{rows.map((sandbox) => rowOf(sandbox, now, drawn.current))}</tbody>
          </table>
        )}
      </Card>
    </>
  );
}

interface DrawnRow {
  readonly says: string;
  readonly row: VNode;
}

/** A row that says what it said before is the same row, which costs the browser nothing: of hundreds few change at a time. */
function rowOf(sandbox: LiveSandbox, now: number, drawn: Map<string, DrawnRow>): VNode {
  const { id, session, tenant, labels, state, execs, usage, limits, createdAt } = sandbox;
  const ends = endOf(sandbox);
  const texts: RowTexts = {
    cpus: processors(usage?.cpus),
    memory: bytes(usage?.memoryBytes),
    pids: count(usage?.pids),
    disk: bytes(usage?.diskBytes),
    age: roughly(now - Date.parse(createdAt)),
    ends: Number.isFinite(ends) ? roughly(Math.max(0, ends - now)) : '–',
  };
  const says = JSON.stringify([session, tenant, labels, state, execs, limits, texts]);
  const before = drawn.get(id);
  if (before?.says === says) return before.row;
  const row = <Row key={id} sandbox={sandbox} texts={texts} />;
  drawn.set(id, { says, row });
  if (drawn.size > MAX_DRAWN) drawn.clear();
  return row;
}

type RowTexts = Readonly<Record<'cpus' | 'memory' | 'pids' | 'disk' | 'age' | 'ends', string>>;

function Row({ sandbox, texts }: { readonly sandbox: LiveSandbox; readonly texts: RowTexts }) {
  const { id, session, tenant, labels, state, execs, usage, limits } = sandbox;
  return (
    <tr>
      <td class="who-cell">
        <a href={linkTo('sandboxes', id)}>{shown(session)}</a>
        <div class="muted small labels">
          {shown(tenant)}
          {Object.entries(labels)
            .slice(0, 4)
            .map(([name, value]) => (
              <span key={name} class="label">
                {name}={shown(value, { max: 24 })}
              </span>
            ))}
        </div>
      </td>
      <td>
        <Badge text={state} />
      </td>
      <td class="number wide">{execs}</td>
      <td class="number">
        {texts.cpus}
        <Meter value={usage?.cpus ?? null} max={limits.cpus} label="CPU of its limit" />
      </td>
      <td class="number">
        {texts.memory}
        <Meter value={usage?.memoryBytes ?? null} max={limits.memoryBytes} label="Memory of its limit" />
      </td>
      <td class="number wide">{texts.pids}</td>
      <td class="number wide">
        {texts.disk}
        <Meter value={usage?.diskBytes ?? null} max={limits.diskBytes} label="Disk of its limit" />
      </td>
      <td class="number wide">{texts.age}</td>
      <td class="number wide">{texts.ends}</td>
    </tr>
  );
}
