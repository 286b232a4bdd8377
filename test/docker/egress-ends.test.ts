// Every connection that was let out has one decision on record, whatever ended it: each `egress.start` its `egress.decision`.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { kill } from 'node:process';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Cloister, Sandbox } from '../../client/index.ts';
import { egressProcesses } from '../support/egress-processes.ts';
import { startTestNames, type TestNames } from '../support/egress-names.ts';
import { startTestOrigin, type TestOrigin } from '../support/egress-origins.ts';
import { eventually } from '../support/eventually.ts';
import { type SpawnedDaemon, spawnTestDaemon } from '../support/test-daemon.ts';

const ADDRESS = '127.81.9.1';
const HOST = 'allowed.test';
/** Of this test's daemons alone. */
const UID = 199_905;
const RESTART_LIMIT_MS = 180_000;

interface AuditLine {
  readonly kind: string;
  readonly sandboxId?: string;
  readonly attempt?: string;
  readonly startedAt?: string;
  readonly reason?: string;
}

let origin: TestOrigin;
let names: TestNames;
let daemon: SpawnedDaemon;
let client: Cloister;

const start = (stateDir?: string): Promise<SpawnedDaemon> =>
  spawnTestDaemon({ stateDir, config: { onExit: 'keep', egress: { resolver: names.address, allowPrivate: [ADDRESS], uid: UID } } });
const connect = (): Promise<Cloister> => daemon.connect('acme', { reconnect: { giveUpAfterMs: 1 } });
/** Of one sandbox. */
const records = async (sandbox: string): Promise<readonly AuditLine[]> =>
  (await readFile(join(daemon.stateDir, 'audit.jsonl'), 'utf8'))
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as AuditLine)
    .filter(({ sandboxId }) => sandboxId === sandbox);
const namesOf = (lines: readonly AuditLine[], kind: string): readonly string[] =>
  lines.filter((line) => line.kind === kind).map(({ attempt, startedAt }) => `${attempt} ${startedAt}`);

beforeAll(async () => {
  origin = await startTestOrigin({ address: ADDRESS, names: [HOST] });
  names = await startTestNames({ [HOST]: [ADDRESS] });
  daemon = await start();
  client = await connect();
});
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  await origin[Symbol.asyncDispose]();
  await names[Symbol.asyncDispose]();
});

/** A sandbox with a tunnel that carries bytes, of a command that goes on. */
async function withTunnel(session: string): Promise<Sandbox> {
  const sandbox = await client.open({ session, profile: 'workspace-write', egress: { allow: [`${HOST}:2222`] } });
  await new Promise<void>((resolve, reject) => {
    const onStdout = (): void => resolve();
    const tunnel = sandbox.exec(['/run/cloister-init', 'connect', HOST, '2222'], { stdin: true, background: true, onStdout });
    tunnel.then(() => reject(new Error('no byte came back')), reject);
    tunnel.write('up\n').catch(reject);
  });
  expect(namesOf(await records(sandbox.id), 'egress.start')).toHaveLength(1);
  return sandbox;
}

/** Its one tunnel is told of as ended, once, and before its sandbox is. */
async function expectDecision(sandbox: string, decision: Readonly<Record<string, unknown>>): Promise<void> {
  const lines = await eventually(
    () => records(sandbox),
    (now) => namesOf(now, 'egress.decision').length > 0,
  );
  expect(namesOf(lines, 'egress.decision')).toEqual(namesOf(lines, 'egress.start'));
  expect(lines.find(({ kind }) => kind === 'egress.decision')).toMatchObject({
    tenant: 'acme',
    host: HOST,
    port: 2222,
    verdict: 'allow',
    execId: expect.any(String) as string,
    ...decision,
  });
  const kinds = lines.map(({ kind }) => kind).filter((kind) => kind === 'egress.decision' || kind === 'sandbox.close');
  expect(['egress.decision', 'egress.decision sandbox.close']).toContain(kinds.join(' '));
}

describe('a tunnel that goes on is on record with its bytes when', () => {
  const whole = { reason: 'allowed', bytesUp: 3, bytesDown: 3 };

  test('its session closes', async () => {
    const sandbox = await withTunnel('closed');
    await sandbox.close({ workspace: 'delete' });
    await expectDecision(sandbox.id, whole);
  });

  test('its command is killed', async () => {
    const sandbox = await withTunnel('killed');
    for (const { id } of await sandbox.execs()) await sandbox.attach(id).kill('SIGKILL');
    await expectDecision(sandbox.id, whole);
    await sandbox.close({ workspace: 'delete' });
  });

  test('its container dies', async () => {
    const sandbox = await withTunnel('dead');
    await daemon.driver.remove(`cloister-${sandbox.id}`, { force: true });
    await expectDecision(sandbox.id, whole);
  });

  test(
    'the daemon stops and keeps the sandbox',
    async () => {
      const sandbox = await withTunnel('kept');
      await daemon.stop('keep');
      await expectDecision(sandbox.id, whole);
      daemon = await start(daemon.stateDir);
      client = await connect();
      await expectDecision(sandbox.id, whole);
    },
    RESTART_LIMIT_MS,
  );
});

describe('a tunnel of which nobody can say any more what it carried is on record as interrupted when', () => {
  test('the egress process is killed', async () => {
    const sandbox = await withTunnel('orphaned');
    kill((await egressProcesses(UID))[0] ?? 0, 'SIGKILL');
    await expectDecision(sandbox.id, { reason: 'interrupted' });
    await sandbox.close({ workspace: 'delete' });
  });

  test(
    'the daemon is killed: the next one says so',
    async () => {
      const sandbox = await withTunnel('crashed');
      await daemon.crash();
      expect(namesOf(await records(sandbox.id), 'egress.decision')).toEqual([]);
      daemon = await start(daemon.stateDir);
      await expectDecision(sandbox.id, { reason: 'interrupted', session: 'crashed' });
    },
    RESTART_LIMIT_MS,
  );
});
