// What changed in the workspace since one of its snapshots.

import { useEffect, useState } from 'preact/hooks';
import type { WorkspaceDiff, WorkspaceSnapshot } from '../client/protocol/workspace.ts';
import { canAct, isOperator, useAccess } from './access.ts';
import type { Inspection } from './answers.ts';
import { bytes, clockTime, short, shown } from './format.ts';
import { Badge, Card, Empty, Loading, Problem } from './parts.tsx';
import { Woken } from './woken.tsx';

export function SandboxChanges({ sandbox }: { readonly sandbox: Inspection }) {
  return (
    <Woken sandbox={sandbox} doing="comparing its workspace">
      <Changes sandbox={sandbox} />
    </Woken>
  );
}

function Changes({ sandbox: { id, tenant, session } }: { readonly sandbox: Inspection }) {
  const access = useAccess();
  const { work } = access;
  const [snapshots, setSnapshots] = useState<readonly WorkspaceSnapshot[] | null>(null);
  const [since, setSince] = useState('');
  const [diff, setDiff] = useState<WorkspaceDiff | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [round, setRound] = useState(0);
  const sandbox = id;
  useEffect(() => {
    const list = async (): Promise<void> => {
      await work.join({ id, tenant, session }, isOperator(access), 'participant');
      const found = (await work.call('workspace.snapshots', { sandbox })).snapshots;
      setSnapshots(found);
      setSince((before) => before || (found.at(-1)?.name ?? ''));
    };
    list().catch(setError);
  }, [access, work, id, tenant, session, sandbox, round]);
  useEffect(() => {
    if (since === '') return;
    setDiff(null);
    work.call('workspace.diff', { sandbox, since: since }).then(setDiff, setError);
  }, [work, sandbox, since, round]);
  const take = async (): Promise<void> => {
    setError(null);
    const name = `console-${new Date()
      .toISOString()
      .replaceAll(/[^0-9]/g, '')
      .slice(0, 14)}`;
    try {
      await work.call('workspace.snapshot', { sandbox, name: name });
      setSince(name);
      setRound((before) => before + 1);
    } catch (problem) {
      setError(problem);
    }
  };
  if (snapshots === null) return error === null ? <Loading /> : <Problem error={error} />;
  const now = Date.now();
  return (
    <Card
      title={diff === null ? 'Changes' : `${diff.total} ${diff.total === 1 ? 'change' : 'changes'}`}
      tools={
        <>
          {snapshots.length > 0 && (
            <select aria-label="Since which snapshot" value={since} onChange={(event) => setSince(event.currentTarget.value)}>
              {snapshots.map(({ name, createdAt, execId }) => (
                <option key={name} value={name}>
                  since {shown(execId === undefined ? name : `before ${execId}`, { max: 40 })}, {clockTime(createdAt, now)}
                </option>
              ))}
            </select>
          )}
          <button type="button" onClick={() => setRound((before) => before + 1)}>
            Compare again
          </button>
          {canAct(access) && (
            <button type="button" onClick={() => void take()}>
              Take a snapshot
            </button>
          )}
        </>
      }
      flush
    >
      <Problem error={error} />
      {snapshots.length === 0 ? (
        <Empty>There is no snapshot to compare with. Take one now, or let commands run with checkpoints.</Empty>
      ) : diff === null ? (
        error === null && <Loading />
      ) : diff.changes.length === 0 ? (
        <Empty>Nothing has changed since.</Empty>
      ) : (
        <table>
          <thead>
            <tr>
              <th scope="col">Path</th>
              <th scope="col">Change</th>
              <th scope="col" class="number">
                Size
              </th>
              <th scope="col" class="wide">
                SHA-256
              </th>
            </tr>
          </thead>
          <tbody>
            {diff.changes.map(({ path, kind, bytes: size, sha256, type }) => (
              <tr key={path}>
                <td class="break">
                  {shown(path)} {type !== undefined && <span class="muted small">{type}</span>}
                </td>
                <td>
                  <Badge text={kind} />
                </td>
                <td class="number">{kind === 'deleted' ? '' : bytes(size)}</td>
                <td class="wide">
                  <code class="muted">{short(sha256 ?? '', 16)}</code>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </Card>
  );
}
