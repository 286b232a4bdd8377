// The files of a sandbox, to look at: directories, and the beginning of a file as text. Nothing here changes one.

import { useEffect, useState } from 'preact/hooks';
import type { FileEntry } from '../client/protocol/files.ts';
import { isOperator, useAccess } from './access.ts';
import type { Inspection } from './answers.ts';
import { bytes, clockTime, shown } from './format.ts';
import { Icon } from './icon.tsx';
import { linkTo } from './location.ts';
import { Card, Empty, Loading, Problem, Scroll } from './parts.tsx';
import { Woken } from './woken.tsx';

const MAX_ENTRIES = 1000;
const MAX_BYTES = 256 * 1024;

type Content =
  | { readonly kind: 'directory'; readonly entries: readonly FileEntry[]; readonly total: number }
  | { readonly kind: 'file'; readonly size: number; readonly bytes: Uint8Array };

export function SandboxFiles({ sandbox, path }: { readonly sandbox: Inspection; readonly path: readonly string[] }) {
  const crumbs = path.map((name, index) => [name, path.slice(0, index + 1)] as const);
  return (
    <Woken sandbox={sandbox} doing="reading its files">
      <Card
        title={
          <span class="crumbs">
            <a href={linkTo('sandboxes', sandbox.id, 'files')}>/workspace</a>
            {crumbs.map(([name, to]) => (
              <span key={to.join('/')}>
                {' / '}
                <a href={linkTo('sandboxes', sandbox.id, 'files', ...to)}>{shown(name, { max: 60 })}</a>
              </span>
            ))}
          </span>
        }
        flush
      >
        <Place key={path.join('/')} sandbox={sandbox} path={path} />
      </Card>
    </Woken>
  );
}

function Place({ sandbox, path }: { readonly sandbox: Inspection; readonly path: readonly string[] }) {
  const access = useAccess();
  const [content, setContent] = useState<Content | null>(null);
  const [error, setError] = useState<unknown>(null);
  const name = path.join('/');
  const { id, tenant, session } = sandbox;
  useEffect(() => {
    const ended = new AbortController();
    const read = async (): Promise<void> => {
      const { work } = access;
      await work.join({ id, tenant, session }, isOperator(access), 'participant');
      const of = { sandbox: id, path: name === '' ? '.' : name };
      const stat = name === '' ? null : await work.call('files.stat', of);
      if (stat === null || stat.kind === 'directory') {
        const listing = await work.call('files.list', { ...of, limit: MAX_ENTRIES });
        if (!ended.signal.aborted) setContent({ kind: 'directory', entries: listing.entries, total: listing.total });
        return;
      }
      const parts: Uint8Array[] = [];
      await work.stream(
        'files.read',
        { ...of, offset: 0, length: MAX_BYTES },
        { onBytes: (data, consumed) => (parts.push(data.slice()), consumed()) },
        ended.signal,
      );
      if (!ended.signal.aborted) setContent({ kind: 'file', size: stat.size, bytes: joined(parts) });
    };
    read().catch((problem: unknown) => {
      if (!ended.signal.aborted) setError(problem);
    });
    return () => ended.abort();
  }, [access, id, tenant, session, name]);
  if (error !== null) return <Problem error={error} />;
  if (content === null) return <Loading />;
  return content.kind === 'file' ? <FileView {...content} /> : <DirectoryView sandbox={sandbox} path={path} {...content} />;
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.byteLength, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.byteLength;
  }
  return all;
}

function FileView({ size, bytes: data }: { readonly size: number; readonly bytes: Uint8Array }) {
  const isBinary = data.subarray(0, 8192).includes(0);
  return (
    <>
      <p class="file-facts muted small">
        {bytes(size)}
        {size > data.byteLength && `; the first ${bytes(data.byteLength)} are shown`}
        {isBinary && '; not text'}
      </p>
      <Scroll label="Content">
        <pre class="file">
          {isBinary ? hexOf(data.subarray(0, 2048)) : shown(new TextDecoder().decode(data), { max: MAX_BYTES, isBlock: true })}
        </pre>
      </Scroll>
    </>
  );
}

function hexOf(data: Uint8Array): string {
  const lines: string[] = [];
  for (let at = 0; at < data.byteLength; at += 16) {
    const row = [...data.subarray(at, at + 16)];
    const hex = row.map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
    const text = row.map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '·')).join('');
    lines.push(`${at.toString(16).padStart(8, '0')}  ${hex.padEnd(48)} ${text}`);
  }
  return lines.join('\n');
}

interface DirectoryProps {
  readonly sandbox: Inspection;
  readonly path: readonly string[];
  readonly entries: readonly FileEntry[];
  readonly total: number;
}

function DirectoryView({ sandbox, path, entries, total }: DirectoryProps) {
  if (entries.length === 0) return <Empty>This directory is empty.</Empty>;
  const rows = entries.toSorted((a, b) => Number(b.kind === 'directory') - Number(a.kind === 'directory') || (a.path < b.path ? -1 : 1));
  const now = Date.now();
  return (
    <>
      <table>
        <thead>
          <tr>
            <th scope="col">Name</th>
            <th scope="col" class="number">
              Size
            </th>
            <th scope="col" class="wide">
              Mode
            </th>
            <th scope="col" class="wide">
              Changed
            </th>
          </tr>
        </thead>
        <tbody>
          {rows.map((entry) => (
            <tr key={entry.path}>
              <td class="break">
                <Icon name={entry.kind === 'directory' ? 'folder' : entry.kind === 'symlink' ? 'link' : 'file'} />{' '}
                {entry.kind === 'directory' || entry.kind === 'file' ? (
                  <a href={linkTo('sandboxes', sandbox.id, 'files', ...path, entry.path)}>{shown(entry.path)}</a>
                ) : (
                  <span>
                    {shown(entry.path)}{' '}
                    <span class="muted small">{entry.symlinkTarget === undefined ? entry.kind : `→ ${shown(entry.symlinkTarget)}`}</span>
                  </span>
                )}
              </td>
              <td class="number">{entry.kind === 'file' ? bytes(entry.size) : ''}</td>
              <td class="wide">
                <code>{entry.mode.toString(8).padStart(4, '0')}</code>
              </td>
              <td class="wide muted">{clockTime(entry.modifiedAt, now)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {total > entries.length && <p class="empty">{total - entries.length} more are not shown.</p>}
    </>
  );
}
