// A secret of each kind, set and used on a real engine: the command has it, and nobody and nothing else does.

import { createHash, randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { PassThrough } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { Cloister, type Sandbox } from '../../client/index.ts';
import { loadSigningKeys } from '../../daemon/auth/signing-keys.ts';
import { verifyAuditLog } from '../../daemon/observe/audit-verify.ts';
import { auditKeyPathOf, auditPathOf } from '../../daemon/state-dir.ts';
import { codeOf, eventually } from '../support/eventually.ts';
import { processesOf } from '../support/host-view.ts';
import { argumentsWith, filesWith, needlesOf, processesHolding } from '../support/search-for.ts';
import { freePort } from '../support/tcp-relay.ts';
import { spawnTestDaemon, startTestDaemon, type TestDaemon } from '../support/test-daemon.ts';

const valueOf = (name: string): string => `${name}-${randomBytes(24).toString('base64url')}`;
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
const get = async (daemon: TestDaemon, path: string): Promise<string> =>
  (
    await fetch(`${daemon.url.replace('ws', 'http')}${path}`, {
      headers: { authorization: `Bearer ${await daemon.token(null, { role: 'operator' })}` },
    })
  ).text();

test('secrets that were set and used are nowhere but in the commands that named them', async () => {
  const values = { ENV_TOKEN: valueOf('env'), HEADER_TOKEN: valueOf('header'), LATER: valueOf('later') };
  const needles = Object.values(values).flatMap(needlesOf);
  let logged = '';
  const log = new PassThrough();
  log.on('data', (chunk: Buffer) => (logged += chunk.toString()));
  await using daemon = await startTestDaemon({ log });
  const client = await daemon.connect('acme');
  const sandbox: Sandbox = await client.open({
    session: 'a',
    profile: 'workspace-write',
    secrets: {
      ENV_TOKEN: { value: values.ENV_TOKEN },
      HEADER_TOKEN: { value: values.HEADER_TOKEN, as: 'header', hosts: ['api.example.com'] },
    },
  });
  const other = await (await daemon.connect('globex')).open({ session: 'a' });
  const neighbour = await client.open({ session: 'b' });
  for (const one of [other, neighbour]) void one.exec('sleep 600', { background: true });
  await sandbox.secrets.set('LATER', { value: values.LATER });

  const script =
    'for name in ENV_TOKEN LATER; do printf %s "${!name}" | sha256sum; done; echo "$ENV_TOKEN $LATER"; printf "x%s" "$ENV_TOKEN" | base64 -w0; echo "$HEADER_TOKEN" >&2';
  const result = await sandbox.exec(script, { secrets: ['ENV_TOKEN', 'LATER'] });
  const [first, second, plain, encoded] = result.stdout.split('\n');
  expect([first, second]).toEqual([`${sha256(values.ENV_TOKEN)}  -`, `${sha256(values.LATER)}  -`]);
  expect(plain).toBe('[redacted:ENV_TOKEN] [redacted:LATER]');
  expect(encoded).toContain('[redacted:ENV_TOKEN]');
  expect(result.stderr).toMatch(/^cloister-secret-[\w-]{32}\n$/);
  expect(result.notes).toContainEqual({ code: 'secretsRedacted', detail: 'ENV_TOKEN, LATER' });
  expect((await sandbox.exec('printenv ENV_TOKEN LATER; ulimit -c; cat /proc/1/environ')).stdout).toBe('0\n');
  expect((await neighbour.exec('printenv ENV_TOKEN HEADER_TOKEN LATER')).stdout).toBe('');

  // What is large is on disk; what runs is in memory; what a tenant writes into a command line is in its own processes alone.
  const large = await sandbox.exec('yes "$ENV_TOKEN $LATER" | head -c 3000000', { secrets: ['ENV_TOKEN', 'LATER'] });
  expect(large.stdout.startsWith('[redacted:ENV_TOKEN] [redacted:LATER]\n[redacted:ENV')).toBe(true);
  await sandbox.exec(`true ${values.LATER}`);
  expect(await codeOf(sandbox.exec('true', { secrets: ['NOPE'] }).then(() => undefined))).toBe('INVALID_REQUEST');
  const refused = await sandbox.secrets.set('BAD', { value: `${values.LATER}\0` }).catch((error: unknown) => String(error));
  expect(refused).toContain('contains a NUL byte');
  const running = sandbox.exec('while :; do echo "$ENV_TOKEN"; sleep 0.05; done', { background: true, secrets: ['ENV_TOKEN'] });
  const shown = await eventually(
    async () => (await sandbox.attach(running.id, { yieldMs: 1 })).stdout,
    (text) => text !== '',
  );
  expect(shown).toMatch(/^\[redacted:ENV_TOKEN\]\n/);

  const search = async (): Promise<object> => ({
    files: await filesWith(daemon.stateDir, needles, ['pool.btrfs', 'pool', 'workspaces', 'base']),
    inspect: needles.some((needle) => JSON.stringify(inspected).includes(needle.toString())),
    arguments: await argumentsWith(needles),
    log: needles.some((needle) => logged.includes(needle.toString())),
    answers: needles.some((needle) => answers.includes(needle.toString())),
    refusal: needles.some((needle) => String(refused).includes(needle.toString())),
  });
  const inspected = await daemon.driver.inspect(`cloister-${sandbox.id}`);
  const answers = (await Promise.all(['/v1/sandboxes', '/v1/audit', '/metrics', '/v1/config'].map((path) => get(daemon, path)))).join('\n');
  expect(answers).toContain('"name":"LATER"');
  const nothing = { files: [], inspect: false, arguments: [], log: false, answers: false, refusal: false };
  expect(await search()).toEqual(nothing);
  const pids = (await Promise.all([other, neighbour].map(({ id }) => processesOf(daemon.driver, id)))).flat().map(({ pid }) => pid);
  expect(pids.length).toBeGreaterThan(3);
  expect(await processesHolding(pids, needles)).toEqual([]);
  // The search finds what is there: the command that runs has the value.
  const own = (await processesOf(daemon.driver, sandbox.id)).map(({ pid }) => pid);
  expect((await processesHolding(own, needles)).length).toBeGreaterThan(0);

  await sandbox.close();
  expect(await filesWith(daemon.stateDir, [Buffer.from(sandbox.id)], ['pool.btrfs', 'pool', 'workspaces', 'audit.jsonl', 'spool'])).toEqual(
    [],
  );
  expect(await search()).toEqual(nothing);
});

describe('kill -9 of the daemon', () => {
  test('shows no value, loses no line of what may be seen, and the end of a command it adopted is on record', async () => {
    const value = valueOf('token');
    const listen = `127.0.0.1:${await freePort()}`;
    let daemon = await spawnTestDaemon({ listen });
    const { stateDir } = daemon;
    try {
      const client = await Cloister.connect({
        url: daemon.url,
        token: await daemon.token('acme'),
        reconnect: { minDelayMs: 50, maxDelayMs: 200 },
      });
      const sandbox = await client.open({ session: 's', secrets: { TOKEN: { value } }, labels: { agent: 'a-1' } });
      let text = '';
      let crashes = 0;
      const execution = sandbox.exec(
        'for n in $(seq 1 400); do printf "line $n ${TOKEN:0:9}"; sleep 0.01; echo "${TOKEN:9}"; done; exit 9',
        {
          secrets: ['TOKEN'],
          id: 'adopted',
        },
      );
      for await (const chunk of execution) {
        text += chunk.text;
        if (crashes < 2 && text.includes(`line ${100 + crashes * 150} `)) {
          crashes += 1;
          await daemon.crash();
          await sleep(200);
          daemon = await spawnTestDaemon({ listen, stateDir });
        }
      }
      expect(text.replaceAll(`${value.slice(0, 9)}[redacted:TOKEN]`, '[redacted:TOKEN]')).toBe(
        Array.from({ length: 400 }, (_, n) => `line ${n + 1} [redacted:TOKEN]\n`).join(''),
      );
      expect(await execution).toMatchObject({ outcome: 'exited', exitCode: 9, notes: [{ code: 'secretsRedacted', detail: 'TOKEN' }] });
      // Still there for commands to come, without being set again.
      expect((await sandbox.exec('printf %s "$TOKEN" | sha256sum', { secrets: ['TOKEN'] })).stdout).toBe(`${sha256(value)}  -\n`);
      const ends = (await get(daemon, '/v1/audit?kind=exec.end&call=adopted'))
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as object);
      expect(ends).toMatchObject([
        { kind: 'exec.end', execId: 'adopted', outcome: 'exited', tenant: 'acme', session: 's', labels: { agent: 'a-1' }, isAdopted: true },
      ]);
      expect(Object.keys(ends[0] ?? {})).toEqual(
        expect.arrayContaining(['image', 'profile', 'policySha256', 'seccompSha256', 'daemonVersion']),
      );
      expect(await sandbox.report({ inputTokens: 10, costUsd: 0.5 })).toEqual({
        reports: 1,
        inputTokens: 10,
        outputTokens: 0,
        costUsd: 0.5,
      });
      await client.close();
    } finally {
      await daemon.stop('close');
      const { publicKey } = await loadSigningKeys(auditKeyPathOf(stateDir));
      expect(await verifyAuditLog(auditPathOf(stateDir), publicKey)).toMatchObject({ verdict: 'holds' });
      await daemon[Symbol.asyncDispose]();
    }
  });
});
