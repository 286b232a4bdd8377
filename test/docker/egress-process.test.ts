// The egress process itself: what it may do, what its death leaves open (nothing), and that it comes back as it was.

import { readFile } from 'node:fs/promises';
import { kill } from 'node:process';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Cloister, Sandbox } from '../../client/index.ts';
import { egressProcesses } from '../support/egress-processes.ts';
import { startTestNames, type TestNames } from '../support/egress-names.ts';
import { startTestOrigin, type TestOrigin } from '../support/egress-origins.ts';
import { eventually } from '../support/eventually.ts';
import { spawnTestDaemon, startTestDaemon, type TestDaemon } from '../support/test-daemon.ts';

const ADDRESS = '127.81.6.1';
/** Of this test's daemons alone, so that only their processes are looked at. */
const UID = 199_901;

let origin: TestOrigin;
let names: TestNames;
const config = (): Record<string, unknown> => ({ egress: { resolver: names.address, allowPrivate: [ADDRESS], uid: UID } });
const egress = { allow: ['allowed.test', 'allowed.test:2222'] };
const get = async (sandbox: Sandbox) => await sandbox.exec(`curl -s -o /dev/null -w '%{http_code}' http://allowed.test/x`);

beforeAll(async () => {
  origin = await startTestOrigin({ address: ADDRESS, names: ['allowed.test'] });
  names = await startTestNames({ 'allowed.test': [ADDRESS] });
});
afterAll(async () => {
  await origin[Symbol.asyncDispose]();
  await names[Symbol.asyncDispose]();
});

describe('the egress process', () => {
  let daemon: TestDaemon;
  let client: Cloister;
  let sandbox: Sandbox;

  beforeAll(async () => {
    daemon = await startTestDaemon({ config: config() });
    client = await daemon.connect('acme');
  });
  afterAll(async () => {
    await daemon[Symbol.asyncDispose]();
  });

  test('does not exist while no sandbox has a way out', async () => {
    const closed = await client.open({ session: 'closed', workspace: { retain: 'delete' } });
    expect(await egressProcesses(UID)).toEqual([]);
    await closed.close();
    sandbox = await client.open({ session: 'proxied', profile: 'workspace-write', egress });
    expect(await egressProcesses(UID)).toHaveLength(1);
  });

  test('has no root, no group, no capability and no way to any of them', async () => {
    const [pid] = await egressProcesses(UID);
    const status = await readFile(`/proc/${pid}/status`, 'utf8');
    expect(status).toMatch(new RegExp(`^Uid:\\s+${UID}\\s+${UID}\\s+${UID}\\s+${UID}$`, 'm'));
    expect(status).toMatch(new RegExp(`^Gid:\\s+${UID}\\s+${UID}\\s+${UID}\\s+${UID}$`, 'm'));
    expect(status).toMatch(/^Groups:\s*$/m);
    for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapAmb']) expect(status).toMatch(new RegExp(`^${set}:\\s+0+$`, 'm'));
    expect(status).toMatch(/^NoNewPrivs:\s+1$/m);
    expect(
      (await readFile(`/proc/${pid}/environ`, 'utf8'))
        .split('\0')
        .map((entry) => entry.split('=')[0])
        .filter((name) => name !== '' && !name?.startsWith('NODE_CHANNEL_')),
    ).toEqual([]);
  });

  test('killed during traffic it leaves everything closed, and comes back with the policy it had', async () => {
    const tunnel = sandbox.exec(['/run/cloister-init', 'connect', 'allowed.test', '2222'], { stdin: true });
    await tunnel.write('up\n');
    const [before] = await egressProcesses(UID);
    for await (const chunk of tunnel) if (chunk.text.includes('up')) kill(before!, 'SIGKILL');
    // It ended because its connection did, and the result says that there was one.
    expect(await tunnel).toMatchObject({
      outcome: 'exited',
      egress: [{ host: 'allowed.test', port: 2222, verdict: 'allow', reason: 'interrupted' }],
    });
    const after = await eventually(
      () => get(sandbox),
      ({ stdout }) => stdout === '200',
    );
    expect(after.stdout).toBe('200');
    const [now] = await egressProcesses(UID);
    expect(now).not.toBe(before);
    expect((await sandbox.exec(`curl -s -o /dev/null -w '%{http_code}' http://other.test/x`)).stdout).toBe('403');
  });

  test('while it is dead a connection is refused or ended, never let out', async () => {
    const [pid] = await egressProcesses(UID);
    const before = origin.connections();
    kill(pid!, 'SIGKILL');
    const result = await sandbox.exec(`curl -sS -m 5 http://other.test/x; curl -sS -m 5 -x '' http://${ADDRESS}/x`);
    expect(result.exitCode).not.toBe(0);
    expect(origin.connections()).toBe(before);
    await eventually(
      () => get(sandbox),
      ({ stdout }) => stdout === '200',
    );
  });

  test('a relay that the tenant kills is there again', async () => {
    // In a file, because in plain sight it is refused.
    await sandbox.files.write('kill-all.sh', 'kill -9 -1');
    await sandbox.exec('sh kill-all.sh');
    expect(
      await eventually(
        () => get(sandbox),
        ({ stdout }) => stdout === '200',
      ),
    ).toMatchObject({ stdout: '200' });
  });

  test('every decision is in the audit log, once, without queries', async () => {
    const result = await sandbox.exec('curl -s http://allowed.test/path?token=geheim -o /dev/null; curl -s http://no.test/ -o /dev/null');
    const lines = (await readFile(`${daemon.stateDir}/audit.jsonl`, 'utf8'))
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    const mine = lines.filter(({ kind, execId }) => kind === 'egress.decision' && execId === result.id);
    expect(mine).toMatchObject([
      {
        tenant: 'acme',
        session: 'proxied',
        sandboxId: sandbox.id,
        host: 'allowed.test',
        address: ADDRESS,
        path: '/path',
        verdict: 'allow',
        rule: 'policy.allow:allowed.test',
      },
      { host: 'no.test', verdict: 'deny', reason: 'notAllowed' },
    ]);
    expect(JSON.stringify(lines.filter(({ kind }) => kind === 'egress.decision'))).not.toContain('geheim');
  });
});

test('a killed daemon takes its egress process with it, and the next one goes on under the policy that was set last', async () => {
  const first = await spawnTestDaemon({ config: config() });
  try {
    const client = await first.connect('acme', { reconnect: { giveUpAfterMs: 1 } });
    const sandbox = await client.open({ session: 'kept', profile: 'workspace-write' });
    await sandbox.egress.set(egress);
    expect((await get(sandbox)).stdout).toBe('200');
    await first.crash();
    await eventually(
      () => egressProcesses(UID),
      (pids) => pids.length === 0,
    );
    const second = await spawnTestDaemon({ config: config(), stateDir: first.stateDir });
    try {
      const again = await (await second.connect('acme')).open({ session: 'kept', takeover: true });
      expect(again.created).toBe(false);
      expect((await get(again)).stdout).toBe('200');
      expect((await again.exec(`curl -s -o /dev/null -w '%{http_code}' http://other.test/x`)).stdout).toBe('403');
    } finally {
      await second[Symbol.asyncDispose]();
    }
  } finally {
    await first[Symbol.asyncDispose]();
  }
});
