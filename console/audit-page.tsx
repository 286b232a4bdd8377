// The audit log, searched.

import { useEffect, useState } from 'preact/hooks';
import { isOperator, useAccess } from './access.ts';
import type { AuditLine } from './answers.ts';
import { clockTime, shown } from './format.ts';
import { isAbort } from './http.ts';
import { linkTo } from './location.ts';
import { Badge, Card, Empty, PageHead, Problem, Scroll } from './parts.tsx';
import { textOf } from './records.ts';

const MAX_KEPT = 5000;
const MAX_SHOWN = 500;
const KINDS: readonly (readonly [kind: string, title: string])[] = [
  ['', 'Everything'],
  ['exec.*', 'Commands'],
  ['decision', 'Permission decisions'],
  ['egress.*', 'Egress'],
  ['confirm.*', 'Confirmations'],
  ['denied', 'Refused calls'],
  ['sandbox.*', 'Sandboxes'],
  ['files.*', 'Files'],
  ['workspace.*', 'Workspaces'],
  ['token.*', 'Tokens'],
  ['config.*', 'Configuration'],
  ['daemon.*', 'Daemon'],
];
const TIMES: readonly (readonly [since: string, title: string])[] = [
  ['15m', 'Last 15 minutes'],
  ['1h', 'Last hour'],
  ['1d', 'Last day'],
  ['7d', 'Last 7 days'],
  ['90d', 'Last 90 days'],
];

interface Search {
  readonly tenant: string;
  readonly sandbox: string;
  readonly call: string;
  readonly label: string;
  readonly kind: string;
  readonly since: string;
  readonly text: string;
}

export function AuditPage({ sandbox }: { readonly sandbox: string }) {
  const access = useAccess();
  const { http } = access;
  const [draft, setDraft] = useState<Search>({ tenant: '', sandbox, call: '', label: '', kind: '', since: '1h', text: '' });
  const [search, setSearch] = useState(draft);
  const [found, setFound] = useState<{ readonly records: readonly AuditLine[]; readonly isWhole: boolean } | null>(null);
  const [error, setError] = useState<unknown>(null);
  useEffect(() => {
    const ended = new AbortController();
    const run = async (): Promise<void> => {
      setFound(null);
      setError(null);
      const { text, ...fields } = search;
      const query = new URLSearchParams(Object.entries(fields).filter(([, value]) => value.trim() !== ''));
      query.set('limit', '1000000');
      let records: AuditLine[] = [];
      let isWhole = true;
      for await (const record of http.lines<AuditLine>(`/v1/audit?${query}`, ended.signal)) {
        if (text !== '' && !JSON.stringify(record).toLowerCase().includes(text.toLowerCase())) continue;
        records.push(record);
        if (records.length >= 2 * MAX_KEPT) {
          records = records.slice(-MAX_KEPT);
          isWhole = false;
        }
      }
      setFound({ records: records.slice(-MAX_KEPT).reverse(), isWhole: isWhole && records.length <= MAX_KEPT });
    };
    run().catch((problem: unknown) => {
      if (!isAbort(problem)) setError(problem);
    });
    return () => ended.abort();
  }, [http, search]);
  const field = (name: keyof Search, label: string) => (
    <input
      type="text"
      aria-label={label}
      placeholder={label}
      value={draft[name]}
      spellcheck={false}
      onInput={(event) => setDraft({ ...draft, [name]: event.currentTarget.value })}
    />
  );
  const choice = (name: 'kind' | 'since', label: string, rows: typeof KINDS) => (
    <select aria-label={label} value={draft[name]} onChange={(event) => setDraft({ ...draft, [name]: event.currentTarget.value })}>
      {rows.map(([value, title]) => (
        <option key={value} value={value}>
          {title}
        </option>
      ))}
    </select>
  );
  const now = Date.now();
  return (
    <>
      <PageHead title="Audit">
        <span class="muted" role="status">
          {found === null ? (error === null ? 'Searching…' : '') : `${found.isWhole ? '' : 'the newest '}${found.records.length} records`}
        </span>
      </PageHead>
      <form
        class="filters"
        role="search"
        onSubmit={(event) => {
          event.preventDefault();
          setSearch({ ...draft });
        }}
      >
        {choice('since', 'Since', TIMES)}
        {choice('kind', 'Kind', KINDS)}
        {isOperator(access) && field('tenant', 'Tenant')}
        {field('sandbox', 'Sandbox id')}
        {field('call', 'Command or call id')}
        {field('label', 'Label, name=value')}
        {field('text', 'Text anywhere')}
        <button type="submit" class="primary">
          Search
        </button>
      </form>
      <Problem error={error} />
      <Card flush>
        {found !== null && found.records.length === 0 && <Empty>No record matches.</Empty>}
        {found !== null && found.records.length > 0 && (
          <ol class="records">
            {found.records.slice(0, MAX_SHOWN).map((record) => (
              <RecordLine key={record.seq} record={record} now={now} />
            ))}
          </ol>
        )}
        {found !== null && found.records.length > MAX_SHOWN && (
          <p class="empty">{found.records.length - MAX_SHOWN} older ones are not shown; narrow the search.</p>
        )}
      </Card>
    </>
  );
}

function RecordLine({ record, now }: { readonly record: AuditLine; readonly now: number }) {
  const [isOpen, setOpen] = useState(false);
  const verdict = textOf(record, 'verdict') || textOf(record, 'outcome') || textOf(record, 'answer') || textOf(record, 'code');
  const about =
    textOf(record, 'command') ||
    textOf(record, 'summary') ||
    textOf(record, 'host') ||
    textOf(record, 'path') ||
    textOf(record, 'message') ||
    textOf(record, 'reason') ||
    textOf(record, 'arguments');
  return (
    <li>
      <details onToggle={(event) => setOpen(event.currentTarget.open)}>
        <summary>
          <span class="muted nowrap">{clockTime(record.at, now)}</span>
          <b class="kind">{shown(record.kind)}</b>
          {verdict !== '' && <Badge text={shown(verdict, { max: 30 })} tone={record.kind === 'denied' ? 'fail' : undefined} />}
          {typeof record.session === 'string' && (
            <span class="label">{shown(`${record.tenant ?? ''}/${record.session}`, { max: 60 })}</span>
          )}
          <span class="about">{shown(about, { max: 160 })}</span>
        </summary>
        {isOpen && (
          <>
            {record.sandboxId !== undefined && (
              <p class="small">
                <a href={linkTo('sandboxes', record.sandboxId)}>Sandbox {shown(record.sandboxId)}</a>
              </p>
            )}
            <Scroll label={`Record ${record.seq}`}>
              <pre>{shown(JSON.stringify(record, null, 2), { max: 40_000, isBlock: true })}</pre>
            </Scroll>
          </>
        )}
      </details>
    </li>
  );
}
