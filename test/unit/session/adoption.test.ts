// What a daemon that starts does with sandboxes that the one before left in any state.

import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { SessionName, TenantName } from '../../../client/protocol/names.ts';
import { ExecJournal } from '../../../daemon/exec/journal.ts';
import { SpoolStore } from '../../../daemon/exec/spool-store.ts';
import { newNonces } from '../../../daemon/link/control-listener.ts';
import { grantPolicy } from '../../../daemon/policy/grant-policy.ts';
import { adoptSandboxes, type AdoptionOptions } from '../../../daemon/session/adoption.ts';
import { newSandboxId } from '../../../daemon/session/sandbox-id.ts';
import { SandboxRecords, type SandboxRecord } from '../../../daemon/session/sandbox-record.ts';
import { FakeDriver } from '../../../daemon/testing/fake-driver.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { openRequest, policySource, silentLog } from '../../support/fake-sandbox.ts';

let stateDir: string;
beforeEach(async () => void (stateDir = await mkdtemp(join(tmpdir(), 'cl-adoption-'))));
afterEach(() => rm(stateDir, { recursive: true, force: true }));

/** A record, the journal of a command that had started, and output of it. */
async function left(records: SandboxRecords, more: Partial<SandboxRecord>): Promise<SandboxRecord> {
  const id = newSandboxId();
  const policy = grantPolicy(openRequest('s'), policySource());
  const record: SandboxRecord = {
    version: 1,
    id,
    tenant: TenantName.parse('acme'),
    session: SessionName.parse('s'),
    workspaceName: 's',
    workspaceId: 'ws_1',
    policy,
    labels: {},
    env: {},
    baseEnv: {},
    retain: 'keep',
    createdAtMs: 1,
    expiresAtMs: null,
    idleMs: 1,
    uid: 200_000,
    gid: 200_000,
    slot: id.slice('sb_'.length),
    nonces: newNonces(),
    containerId: null,
    shell: 'sh',
    receipt: null,
    ...more,
  };
  await records.save(record);
  const journal = new ExecJournal(join(stateDir, 'sandboxes', `${id}.execs.jsonl`));
  journal.append({
    t: 'start',
    number: 1,
    execId: 'x' as never,
    at: 1,
    digest: 'd',
    command: 'sleep 600',
    hasStdin: false,
    hasPty: false,
    background: true,
    outputPolicy: 'drop',
    oomKills: null,
  });
  journal.close();
  await mkdir(join(stateDir, 'spool', id), { recursive: true });
  await writeFile(join(stateDir, 'spool', id, '1.0.spool'), 'output');
  return record;
}

/** What nothing here looks into is not there. */
function adoption(records: SandboxRecords, released: string[]): AdoptionOptions {
  const standIns = {
    records,
    driver: new FakeDriver(),
    stateDir,
    instanceId: 'i',
    runtimeDirs: { listSlots: async () => [], removeSlot: async () => undefined },
    workspaces: {
      hold: () => undefined,
      release: async (id: string) => void released.push(`kept ${id}`),
      remove: async (id: string) => void released.push(`deleted ${id}`),
    },
    spools: new SpoolStore({ dir: join(stateDir, 'spool'), log: silentLog }),
    leaving: new AbortController().signal,
    clock: new FakeClock(),
    log: silentLog,
  };
  return standIns as unknown as AdoptionOptions;
}

test.each<[string, Partial<SandboxRecord>, string]>([
  ['whose container had been removed when the daemon was killed', {}, 'kept ws_1'],
  ['that was a spare', { tenant: null, session: null, workspaceName: '' }, 'deleted ws_1'],
])('a sandbox %s goes with its record, its journal and its output', async (_, more, workspace) => {
  const records = await SandboxRecords.open(stateDir);
  const { id } = await left(records, more);
  expect(await readdir(join(stateDir, 'sandboxes'))).toEqual([`${id}.execs.jsonl`, `${id}.json`]);
  const released: string[] = [];
  expect(await adoptSandboxes(adoption(records, released))).toEqual([]);
  expect(await readdir(join(stateDir, 'sandboxes'))).toEqual([]);
  expect(await readdir(join(stateDir, 'spool'))).toEqual([]);
  expect(released).toEqual([workspace]);
});
