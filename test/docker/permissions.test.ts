// Permissions on a real engine: what is denied does not start, people are asked and heard, a bad policy is rolled back.

import { execFile } from 'node:child_process';
import { readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Cloister, ConfirmRequest } from '../../client/index.ts';
import { Cloister as Client } from '../../client/index.ts';
import { eventually } from '../support/eventually.ts';
import { type SpawnedDaemon, spawnTestDaemon } from '../support/test-daemon.ts';

const ASKS = [
  { tool: 'exec', args: { command: 'touch asked*' }, action: 'ask', reason: 'touching is asked about' },
  { tool: 'files.write', args: { path: '/workspace/locked/*' }, action: 'deny', reason: 'locked' },
  { preset: 'profile' },
];
const PROFILE = { workspace: 'rw', network: 'none', seccomp: 'strict' };
const CONFIG = { profiles: { canary: PROFILE }, permissions: { rules: ASKS, confirmTimeoutMs: 3000 } };

let daemon: SpawnedDaemon;
let configFile: string;
let original: Record<string, unknown>;
beforeAll(async () => {
  daemon = await spawnTestDaemon({ config: CONFIG });
  configFile = join(daemon.stateDir, 'test-config.json');
  original = JSON.parse(await readFile(configFile, 'utf8')) as Record<string, unknown>;
});
afterAll(() => daemon[Symbol.asyncDispose]());

const audit = async (): Promise<Record<string, unknown>[]> => {
  const names = (await readdir(daemon.stateDir)).filter((name) => /^audit.*\.jsonl$/.test(name));
  const texts = await Promise.all(names.map((name) => readFile(join(daemon.stateDir, name), 'utf8')));
  return texts.flatMap((text) => text.trim().split('\n')).map((line) => JSON.parse(line) as Record<string, unknown>);
};
const recordsOf = async (execId: string) => (await audit()).filter((record) => record['execId'] === execId);

async function cli(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const argv = ['--import', 'tsx', join(import.meta.dirname, '../../daemon/main.ts'), ...args];
  const env = { ...process.env, CLOISTER_URL: daemon.url, CLOISTER_TOKEN: await daemon.token('acme', { role: 'operator' }) };
  try {
    const { stdout, stderr } = await promisify(execFile)(process.execPath, argv, { env });
    return { code: 0, out: stdout, err: stderr };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    return { code, out: stdout, err: stderr };
  }
}

describe('a command that is denied', () => {
  test('does not start, says why, and is on record under its id; the next one works', async () => {
    const client = await daemon.connect('acme');
    await using sandbox = await client.open({ session: 'denied' });
    const result = await sandbox.exec('touch before; rm -rf /workspace/*', { id: 'd1' });
    expect(result).toMatchObject({
      outcome: 'denied',
      exitCode: null,
      signal: null,
      rule: 'floor.recursiveDelete',
      stdout: '',
      stderr: '',
      nextOffset: 0,
    });
    expect(result.reason).toContain('/workspace');
    expect(result.remedy).not.toBe('');
    const chunks: unknown[] = [];
    for await (const chunk of sandbox.exec('rm -rf /', { id: 'd2' })) chunks.push(chunk);
    expect(chunks).toEqual([]);
    expect(await sandbox.attach('d1')).toMatchObject({ outcome: 'denied', rule: 'floor.recursiveDelete' });
    expect((await sandbox.exec('ls -A')).stdout).toBe('');
    expect(await recordsOf('d1')).toMatchObject([
      { kind: 'decision', verdict: 'deny', rule: 'floor.recursiveDelete', tool: 'exec' },
      { kind: 'exec.end', outcome: 'denied', rule: 'floor.recursiveDelete' },
    ]);
    const allowed = await sandbox.exec('true', { id: 'd3' });
    expect(allowed).toMatchObject({ outcome: 'exited', exitCode: 0 });
    expect((await recordsOf('d3')).map(({ kind }) => kind)).toEqual(['decision', 'exec.start', 'exec.end']);
  });

  test('is exit code 126 on the command line, with the reason and a hint', async () => {
    const { code, out, err } = await cli('run', '--', 'sh', '-c', 'rm -rf /');
    expect({ code, out }).toEqual({ code: 126, out: '' });
    expect(err).toMatch(/the command was denied: the floor refuses it .* \(rule floor\.recursiveDelete\)\nhint: /);
  });

  test('is a file call with an error that names the rule', async () => {
    const client = await daemon.connect('acme');
    await using sandbox = await client.open({ session: 'files' });
    await expect(sandbox.files.write('locked/a', 'x')).rejects.toMatchObject({
      code: 'PERMISSION_DENIED',
      message: expect.stringContaining('permissions.rules[1]'),
    });
    await sandbox.files.write('open', 'x');
    await expect(sandbox.files.copy('open', 'locked/b')).rejects.toMatchObject({ code: 'PERMISSION_DENIED' });
    await expect(sandbox.files.move('open', 'locked/b')).rejects.toMatchObject({ code: 'PERMISSION_DENIED' });
  });
});

describe('a question', () => {
  const asked: ConfirmRequest[] = [];
  const answering = async (answer: 'allow-once' | 'allow-session' | 'deny'): Promise<Cloister> =>
    daemon.connect('acme', {
      onConfirm: async (request) => {
        asked.push(request);
        return answer;
      },
    });

  test('without anyone to ask is a denial', async () => {
    const client = await daemon.connect('acme');
    await using sandbox = await client.open({ session: 'nobody' });
    expect(await sandbox.exec('touch asked1')).toMatchObject({ outcome: 'denied', reason: 'confirmNobody', rule: 'permissions.rules[0]' });
  });

  test('that nobody answers in time is a denial, and in batch mode it is not even asked', async () => {
    let count = 0;
    const client = await daemon.connect('acme', { onConfirm: () => ((count += 1), new Promise(() => undefined)) });
    await using sandbox = await client.open({ session: 'late' });
    expect(await sandbox.exec('touch asked1', { id: 'late1' })).toMatchObject({ outcome: 'denied', reason: 'confirmTimeout' });
    expect((await recordsOf('late1')).map(({ kind }) => kind)).toEqual([
      'decision',
      'confirm.request',
      'confirm.answer',
      'decision',
      'exec.end',
    ]);
    await using batch = await client.open({ session: 'batch', permissions: { mode: 'batch' } });
    expect(await batch.exec('touch asked1')).toMatchObject({ outcome: 'denied', reason: expect.stringContaining('batch mode') });
    expect(count).toBe(1);
  });

  test('is allowed once, or for the session and exactly that', async () => {
    const once = await answering('allow-once');
    await using first = await once.open({ session: 'once' });
    expect(await first.exec('touch asked1')).toMatchObject({ outcome: 'exited', exitCode: 0 });
    expect(await first.exec('touch asked1')).toMatchObject({ outcome: 'exited' });
    expect(asked.splice(0)).toMatchObject([
      { tool: 'exec', kind: 'tool', summary: 'touch asked1', rule: 'permissions.rules[0]', reason: 'touching is asked about' },
      {},
    ]);
    const session = await answering('allow-session');
    await using second = await session.open({ session: 'session' });
    for (const command of ['touch asked1', 'touch asked1', 'touch asked2', 'touch asked1']) await second.exec(command);
    expect(asked.splice(0).map(({ summary }) => summary)).toEqual(['touch asked1', 'touch asked2']);
    const no = await answering('deny');
    await using third = await no.open({ session: 'no' });
    expect(await third.exec('touch asked1')).toMatchObject({ outcome: 'denied', reason: 'confirmDenied' });
    expect((await third.exec('ls')).stdout).toBe('');
  });

  test('whose controller disconnects in the middle is a denial', async () => {
    let isAsked = false;
    const client = await daemon.connect('acme', { onConfirm: () => ((isAsked = true), new Promise(() => undefined)) });
    await using other = await daemon.connect('acme');
    await client.open({ session: 'gone' });
    const joined = await other.open({ session: 'gone', role: 'participant' });
    const running = joined.exec('touch asked1', { id: 'gone1' });
    await eventually(() => isAsked, Boolean);
    await client.close();
    expect(await running).toMatchObject({ outcome: 'denied', reason: 'confirmDisconnected' });
    expect(await recordsOf('gone1')).toContainEqual(
      expect.objectContaining({ kind: 'confirm.answer', answer: 'nobody', by: 'disconnect' }),
    );
  });

  test('is answered by an operator in place of the controller', async () => {
    const client = await daemon.connect('acme', { onConfirm: () => new Promise(() => undefined) });
    await using operator = await Client.connect({ url: daemon.url, token: await daemon.token(null, { role: 'operator' }) });
    await using sandbox = await client.open({ session: 'operator' });
    const running = sandbox.exec('touch asked1', { id: 'op1' });
    const [waiting] = await eventually(
      () => operator.operations.confirmations(),
      (all) => all.length > 0,
    );
    await operator.operations.answer(waiting!, 'allow-once');
    expect(await running).toMatchObject({ outcome: 'exited', exitCode: 0 });
    expect(await recordsOf('op1')).toContainEqual(
      expect.objectContaining({ kind: 'confirm.answer', by: expect.stringMatching(/^operator:/) }),
    );
  });

  test('that is taken back by killing its command is a denial', async () => {
    let isAsked = false;
    const client = await daemon.connect('acme', { onConfirm: () => ((isAsked = true), new Promise(() => undefined)) });
    await using sandbox = await client.open({ session: 'abort' });
    const stop = new AbortController();
    const running = sandbox.exec('touch asked1', { signal: stop.signal });
    await eventually(() => isAsked, Boolean);
    stop.abort();
    expect(await running).toMatchObject({ outcome: 'denied', reason: 'confirmCancelled' });
  });
});

test('questions and the configuration are there over HTTP, for operators alone', async () => {
  const client = await daemon.connect('acme', { onConfirm: () => new Promise(() => undefined) });
  await using sandbox = await client.open({ session: 'http' });
  const running = sandbox.exec('touch asked1');
  const call = async (method: string, path: string, token: string, body?: object) =>
    fetch(`${daemon.url.replace('ws', 'http')}${path}`, {
      method,
      headers: { authorization: `Bearer ${token}` },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  const [operator, tenant] = [await daemon.token(null, { role: 'operator' }), await daemon.token('acme')];
  for (const path of ['/v1/confirmations', '/v1/config']) expect((await call('GET', path, tenant)).status).toBe(403);
  const waiting = async () =>
    ((await (await call('GET', '/v1/confirmations', operator)).json()) as { confirmations: ConfirmRequest[] }).confirmations;
  const [question] = await eventually(waiting, (all) => all.length > 0);
  expect((await call('POST', `/v1/confirmations/${question?.id ?? ''}`, operator, { answer: 'allow-once' })).status).toBe(200);
  expect(await running).toMatchObject({ outcome: 'exited', exitCode: 0 });
  expect(await (await call('GET', '/v1/config', operator)).json()).toMatchObject({ config: { permissions: { hardFloor: true } } });
  expect([(await call('POST', '/v1/config/reload', tenant)).status, (await call('POST', '/v1/config/reload', operator)).status]).toEqual([
    403, 200,
  ]);
});

test('shells that the client feeds work by default', async () => {
  const client = await daemon.connect('acme');
  await using sandbox = await client.open({ session: 'shell' });
  const shell = await sandbox.shell();
  expect(await shell.run('echo $((6 * 7))')).toMatchObject({ exitCode: 0, stdout: '42\n' });
  await shell.close();
});

test('a snapshot of the rules has their sources and its hash; explain says what would be', async () => {
  const client = await daemon.connect('acme');
  await using sandbox = await client.open({
    session: 'snapshot',
    permissions: { rules: [{ tool: 'exec', args: { program: 'curl' }, action: 'deny' }] },
  });
  const inForce = await sandbox.permissions.get();
  expect(inForce).toMatchObject({
    mode: 'interactive',
    hardFloor: true,
    profile: 'workspace-write-no-network',
    narrowedBySha256: null,
    policySha256: sandbox.receipt.policySha256,
  });
  expect(inForce.sources).toEqual(['floor', 'permissions.rules', 'preset:workspace-write', 'session.rules']);
  expect(await sandbox.permissions.explain('sudo curl x')).toMatchObject({
    verdict: 'deny',
    rule: 'session.rules[0]',
    commands: ['sudo curl x', 'curl x'],
  });
  expect(await sandbox.permissions.explainCall('files.write', { path: 'locked/x' })).toMatchObject({
    verdict: 'deny',
    rule: 'permissions.rules[1]',
  });
});

test('a bad policy rolled out to the canary profile is seen in the audit log by channel and reverted by one command', async () => {
  const client = await daemon.connect('acme');
  await using operator = await Client.connect({ url: daemon.url, token: await daemon.token(null, { role: 'operator' }) });
  await using stable = await client.open({ session: 'stable', labels: { channel: 'stable' } });
  await using early = await client.open({ session: 'early', profile: 'canary', labels: { channel: 'canary' } });
  const run = async (sandbox: typeof stable) => (await sandbox.exec('echo ok')).outcome;
  expect([await run(stable), await run(early)]).toEqual(['exited', 'exited']);
  // What is not valid changes nothing, however it comes.
  await writeFile(
    configFile,
    JSON.stringify({ ...original, profiles: { canary: { ...PROFILE, rules: [{ tool: 'EXEC', action: 'deny' }] } } }),
  );
  process.kill(daemon.pid, 'SIGHUP');
  const refused = async () => (await audit()).filter(({ kind }) => kind === 'config.refused');
  expect(await eventually(refused, (found) => found.length > 0)).toMatchObject([{ by: 'SIGHUP' }]);
  await writeFile(configFile, JSON.stringify({ ...original, listen: '127.0.0.1:1' }));
  await expect(operator.operations.reloadConfig()).rejects.toMatchObject({
    code: 'POLICY_INVALID',
    message: expect.stringContaining('listen: can only be changed by a restart'),
  });
  expect([await run(stable), await run(early)]).toEqual(['exited', 'exited']);
  const bad = { canary: { ...PROFILE, rules: [{ tool: 'exec', action: 'deny', reason: 'a mistake' }] } };
  await writeFile(configFile, JSON.stringify({ ...original, profiles: bad }));
  const change = await operator.operations.reloadConfig();
  expect(change.changed).toEqual(['profiles']);
  await using later = await client.open({ session: 'later', profile: 'canary', labels: { channel: 'canary' } });
  expect([await run(stable), await run(early), await run(later)]).toEqual(['exited', 'denied', 'denied']);
  expect((await early.permissions.get()).narrowedBySha256).not.toBeNull();

  const { code, out } = await cli('config', 'revert');
  expect({ code, out }).toEqual({ code: 0, out: 'changed: profiles\n' });
  expect([await run(stable), await run(early)], 'what it was opened with holds again').toEqual(['exited', 'exited']);
  expect(await run(later), 'opened under the bad policy, it keeps that').toBe('denied');

  const records = await audit();
  const changes = records.filter(({ kind, changed }) => kind === 'config.change' && String(changed) === 'profiles');
  expect(changes).toMatchObject([
    { how: 'reload', sha256: change.sha256, formerSha256: change.formerSha256 },
    { how: 'revert', sha256: change.formerSha256, formerSha256: change.sha256 },
  ]);
  const ends = records.filter(({ kind, session }) => kind === 'exec.end' && ['stable', 'early', 'later'].includes(String(session)));
  const split = new Map<string, number>();
  for (const { labels, outcome } of ends) {
    const key = `${(labels as { channel: string }).channel} ${String(outcome)}`;
    split.set(key, (split.get(key) ?? 0) + 1);
  }
  expect(Object.fromEntries(split)).toEqual({ 'stable exited': 4, 'canary exited': 3, 'canary denied': 3 });
});
