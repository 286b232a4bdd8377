// The first page: is the host well, what happens, what was refused.

import type { ComponentChildren } from 'preact';
import type { HostPoint, LiveSandbox, Overview } from './answers.ts';
import { Chart } from './chart.tsx';
import { bytes, count, duration, percent, processors, shown } from './format.ts';
import { useLiveContext } from './live.ts';
import { linkTo } from './location.ts';
import { Badge, Card, Empty, Facts, Loading, Meter, PageHead, Sparkline } from './parts.tsx';

export function OverviewPage() {
  const { overview, confirmations } = useLiveContext();
  const { value } = overview;
  if (value === null) return <Loading />;
  const { sandboxes, host } = value;
  const waiting = confirmations?.value?.length ?? 0;
  return (
    <>
      <PageHead title="Overview">
        {waiting > 0 && (
          <a class="button warn" href={linkTo('confirmations')}>
            {waiting === 1 ? '1 question waits' : `${waiting} questions wait`}
          </a>
        )}
      </PageHead>
      {host === undefined ? <TenantTiles sandboxes={sandboxes} /> : <HostTiles overview={value} />}
      {value.history !== undefined && value.history.length > 0 && <Rates overview={value} history={value.history} />}
      <div class="columns">
        <Busiest sandboxes={sandboxes} />
        {value.daemon !== undefined && value.pool !== undefined && host !== undefined && (
          <Card title="Daemon">
            <Facts
              rows={[
                ['Version', shown(value.daemon['version'] ?? '')],
                ['Accepts sessions', value.pool.isAccepting ? 'yes' : 'no, it is stopping'],
                ['Engine', shown(value.daemon['engine'] ?? '')],
                ['Workspace store', shown(value.daemon['store'] ?? '')],
                ['Own processor use', processors(host.daemonCpus)],
                ['Own memory', bytes(host.daemonMemoryBytes)],
                ['Host up for', duration(host.uptimeS * 1000)],
              ]}
            />
          </Card>
        )}
      </div>
    </>
  );
}

function Tile({
  title,
  value,
  detail,
  children,
}: {
  readonly title: string;
  readonly value: string;
  readonly detail?: string;
  readonly children?: ComponentChildren;
}) {
  return (
    <section class="tile" aria-label={title}>
      <h2>{title}</h2>
      <p class="figure">{value}</p>
      {children}
      {detail !== undefined && <p class="muted small">{detail}</p>}
    </section>
  );
}

function HostTiles({ overview }: { readonly overview: Overview }) {
  const { host, pool, sandboxes, history = [] } = overview;
  if (host === undefined || pool === undefined) return null;
  const cpus = history.map(({ cpuBusy }) => cpuBusy);
  const memory = history.map(({ memoryUsedBytes }) => memoryUsedBytes);
  return (
    <div class="tiles">
      <Tile title="Processors" value={percent(host.cpuBusy)} detail={`${host.cpus} processors, load ${host.load1.toFixed(2)}`}>
        <Sparkline values={cpus} max={1} label={`Processor use of the last minutes, now ${percent(host.cpuBusy)}`} />
      </Tile>
      <Tile title="Memory" value={bytes(host.memoryUsedBytes)} detail={`of ${bytes(host.memoryBytes)}`}>
        <Sparkline values={memory} max={host.memoryBytes} label={`Memory use of the last minutes, now ${bytes(host.memoryUsedBytes)}`} />
      </Tile>
      <Tile
        title="Disk"
        value={host.disk === null ? '–' : percent(host.disk.usedBytes / host.disk.totalBytes)}
        detail={host.disk === null ? 'not known yet' : `${bytes(host.disk.usedBytes)} of ${bytes(host.disk.totalBytes)}`}
      >
        <Meter value={host.disk?.usedBytes ?? null} max={host.disk?.totalBytes ?? null} label="Disk used" />
      </Tile>
      <Tile title="Sandboxes" value={count(sandboxes.length)} detail={`of ${count(pool.maxSessions)}; ${stateText(sandboxes)}`}>
        <Meter value={sandboxes.length} max={pool.maxSessions} label="Places taken" />
      </Tile>
      <Tile
        title="Warm spares"
        value={`${pool.spares.free} / ${pool.spares.wanted}`}
        detail={pool.spares.wanted === 0 ? 'none are kept; every open starts a container' : 'ready for the next session'}
      >
        <Meter value={pool.spares.wanted - pool.spares.free} max={Math.max(1, pool.spares.wanted)} label="Spares missing" />
      </Tile>
      <Tile title="Commands" value={count(sandboxes.reduce((sum, { execs }) => sum + execs, 0))} detail="running now">
        <Sparkline values={history.map(({ execs }) => execs)} label="Running commands of the last minutes" />
      </Tile>
    </div>
  );
}

function TenantTiles({ sandboxes }: { readonly sandboxes: readonly LiveSandbox[] }) {
  const sum = (of: (sandbox: LiveSandbox) => number | null | undefined): number =>
    sandboxes.reduce((total, sandbox) => total + (of(sandbox) ?? 0), 0);
  return (
    <div class="tiles four">
      <Tile title="Sandboxes" value={count(sandboxes.length)} detail={stateText(sandboxes)} />
      <Tile title="Commands" value={count(sum(({ execs }) => execs))} detail="running now" />
      <Tile title="Processors" value={processors(sum(({ usage }) => usage?.cpus))} detail="in use by them" />
      <Tile title="Memory" value={bytes(sum(({ usage }) => usage?.memoryBytes))} detail="in use by them" />
    </div>
  );
}

function stateText(sandboxes: readonly LiveSandbox[]): string {
  const states = new Map<string, number>();
  for (const { state } of sandboxes) states.set(state, (states.get(state) ?? 0) + 1);
  return states.size === 0 ? 'none' : [...states].map(([state, n]) => `${n} ${state}`).join(', ');
}

const RATES: readonly (readonly [keyof NonNullable<Overview['perMinute']>, string])[] = [
  ['opens', 'Sandboxes opened'],
  ['commands', 'Commands started'],
  ['denials', 'Denials'],
  ['egressAllowed', 'Egress allowed'],
  ['egressDenied', 'Egress denied'],
];

function Rates({ overview, history }: { readonly overview: Overview; readonly history: readonly HostPoint[] }) {
  const { perMinute } = overview;
  return (
    <Card title="In the last minute" tools={<span class="muted small">Counted while a console is open</span>}>
      <div class="rates">
        {RATES.map(([name, title]) => (
          <div key={name} class={`rate ${(name === 'denials' || name === 'egressDenied') && (perMinute?.[name] ?? 0) > 0 ? 'warn' : ''}`}>
            <span class="figure">{count(perMinute?.[name] ?? 0)}</span>
            <span class="muted small">{title}</span>
            <Sparkline values={history.map((point) => point[name])} label={`${title} of the last minutes`} />
          </div>
        ))}
      </div>
      <Chart
        title="Host"
        times={history.map(({ atMs }) => atMs / 1000)}
        series={[
          { name: 'Processor use', values: history.map(({ cpuBusy }) => (cpuBusy === null ? null : cpuBusy * 100)), tone: 'accent' },
        ]}
        show={(value) => `${value.toFixed(0)} %`}
        max={100}
      />
    </Card>
  );
}

function Busiest({ sandboxes }: { readonly sandboxes: readonly LiveSandbox[] }) {
  const rows = sandboxes.toSorted((a, b) => (b.usage?.cpus ?? 0) - (a.usage?.cpus ?? 0) || b.execs - a.execs).slice(0, 6);
  return (
    <Card title="Busiest sandboxes" tools={<a href={linkTo('sandboxes')}>All {sandboxes.length}</a>} flush>
      {rows.length === 0 ? (
        <Empty>No sandbox is open.</Empty>
      ) : (
        <table>
          <thead>
            <tr>
              <th scope="col">Session</th>
              <th scope="col">State</th>
              <th scope="col" class="number">
                CPU
              </th>
              <th scope="col" class="number">
                Memory
              </th>
            </tr>
          </thead>
          <tbody>
            {rows.map(({ id, session, tenant, state, usage }) => (
              <tr key={id}>
                <td>
                  <a href={linkTo('sandboxes', id)}>{shown(session)}</a> <span class="muted">{shown(tenant)}</span>
                </td>
                <td>
                  <Badge text={state} />
                </td>
                <td class="number">{processors(usage?.cpus)}</td>
                <td class="number">{bytes(usage?.memoryBytes)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </Card>
  );
}
