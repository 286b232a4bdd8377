// The life of sandboxes, their network and their ports through E2B's own, unmodified package, on a real engine.

import { readdir, readFile } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { Sandbox, SandboxNotFoundError, TimeoutError, Volume } from 'e2b';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startE2bWorld, type E2bWorld } from '../support/e2b-world.ts';
import { eventually } from '../support/eventually.ts';

let world: E2bWorld;

beforeAll(async () => {
  const templates = { networked: { profile: 'workspace-write' }, broken: { image: 'no-such' } };
  world = await startE2bWorld({ e2b: { templates }, config: { ceilings: { perTenant: { sandboxes: 2 } } } });
});
afterAll(() => world[Symbol.asyncDispose]());

const listAll = async (options: Parameters<typeof Sandbox.list>[0] = {}) => {
  const found = [];
  const pages = Sandbox.list({ ...world.as.acme, ...options });
  while (pages.hasNext) found.push(...(await pages.nextItems()));
  return found;
};

describe('a sandbox', () => {
  test('is created with metadata and a timeout, found by both, connected to and killed', async () => {
    const before = Date.now();
    const sandbox = await world.create({ metadata: { user: 'ann', task: 'build 1' }, timeoutMs: 60_000 });
    const info = await sandbox.getInfo();
    expect(info).toMatchObject({
      sandboxId: sandbox.sandboxId,
      templateId: 'base',
      metadata: { user: 'ann', task: 'build 1' },
      state: 'running',
    });
    expect(info.endAt.getTime() - before).toBeGreaterThan(55_000);
    expect(info.endAt.getTime() - before).toBeLessThan(120_000);
    const other = await world.create({ metadata: { user: 'bob' } });
    const ids = async (metadata: Record<string, string>) => (await listAll({ query: { metadata } })).map(({ sandboxId }) => sandboxId);
    expect(await ids({ user: 'ann', task: 'build 1' })).toEqual([sandbox.sandboxId]);
    expect(await ids({ user: 'nobody' })).toEqual([]);
    expect((await listAll({ limit: 1 })).map(({ sandboxId }) => sandboxId).toSorted()).toEqual(
      [sandbox.sandboxId, other.sandboxId].toSorted(),
    );
    await sandbox.setTimeout(600_000);
    expect((await sandbox.getInfo()).endAt.getTime() - before).toBeGreaterThan(500_000);
    const again = await Sandbox.connect(sandbox.sandboxId, world.as.acme);
    expect((await again.commands.run('echo hi')).stdout).toBe('hi\n');
    expect(await again.isRunning()).toBe(true);
    expect(await again.kill()).toBe(true);
    expect(await sandbox.kill()).toBe(false);
    expect(await sandbox.isRunning()).toBe(false);
    await expect(sandbox.commands.run('true')).rejects.toBeInstanceOf(Error);
    await expect(sandbox.files.read('x')).rejects.toBeInstanceOf(TimeoutError);
    await expect(Sandbox.connect(sandbox.sandboxId, world.as.acme)).rejects.toBeInstanceOf(SandboxNotFoundError);
    await other.kill();
  });

  test('is ended with its timeout, or paused where that was asked for; its files and processes are there when it is resumed', async () => {
    const killed = await world.create({ timeoutMs: 1000 });
    const paused = await world.create({ timeoutMs: 2000, lifecycle: { onTimeout: 'pause' } });
    const states = async () => (await listAll()).map(({ sandboxId, state }) => `${state} ${sandboxId}`);
    const seen = await eventually(states, (all) => all.length === 1 && all[0]?.startsWith('paused') === true, 30_000);
    expect(seen).toEqual([`paused ${paused.sandboxId}`]);
    expect(await killed.isRunning()).toBe(false);
    expect(await paused.isRunning()).toBe(false);
    await expect(paused.files.read('x')).rejects.toThrow(/paused/);
    const resumed = await Sandbox.connect(paused.sandboxId, { ...world.as.acme, timeoutMs: 60_000 });
    const counting = await resumed.commands.run('read -r line; echo "$line"', { background: true, stdin: true, timeoutMs: 0 });
    expect(await resumed.pause()).toBe(true);
    expect(await resumed.pause()).toBe(false);
    expect((await resumed.getInfo()).state).toBe('paused');
    expect(await listAll({ query: { state: ['running'] } })).toEqual([]);
    await resumed.connect();
    expect((await resumed.getInfo()).state).toBe('running');
    await resumed.commands.sendStdin(counting.pid, 'still here\n');
    expect((await counting.wait()).stdout).toBe('still here\n');
    await resumed.kill();
  });

  test('wakes at a call where its client said that it may', async () => {
    const sandbox = await world.create({ timeoutMs: 60_000, lifecycle: { onTimeout: 'pause', autoResume: true } });
    await sandbox.pause();
    expect((await sandbox.commands.run('echo awake')).stdout).toBe('awake\n');
    await sandbox.kill();
  });

  test('counts against what its tenant may have, and is on record like every other', async () => {
    const opened = await Promise.all([world.create(), world.create()]);
    await expect(world.create()).rejects.toThrow(/429|ceiling|sandboxes/);
    const client = await world.daemon.connect('acme');
    const infos = await client.list();
    expect(infos.map(({ labels }) => labels['channel'])).toEqual(['e2b', 'e2b']);
    expect(infos.every(({ session }) => session.startsWith('e2b-'))).toBe(true);
    await Promise.all(opened.map((sandbox) => sandbox.kill()));
    expect(await client.list()).toEqual([]);
  });

  test('of another template than there is, or with what is not there, is refused with what to do', async () => {
    const refused = async (promise: Promise<unknown>) => String(await promise.then(() => 'no error').catch((error: unknown) => error));
    expect(await refused(Sandbox.create('nope', world.as.acme))).toContain('there is no template "nope"');
    expect(await refused(Sandbox.create('broken', world.as.acme))).toContain('no-such');
    expect(await refused(world.create({ volumeMounts: { '/data': 'v' } }))).toContain('501');
    expect(await refused(world.create({ metadata: { 'not a name': 'x' } }))).toContain('400');
    expect(await refused(world.create({ envs: { LD_PRELOAD: 'x' } }))).toContain('400');
    expect(await refused(Volume.list(world.as.acme))).toContain('501');
    const sandbox = await world.create();
    expect(await refused(sandbox.createSnapshot())).toContain('snapshots');
    expect(await refused(sandbox.getMetrics())).toContain('501');
    expect(await refused(sandbox.commands.run('id', { user: 'root' }))).toContain('the user "root"');
    expect(await refused(sandbox.files.read('x', { user: 'root' }))).toContain('501');
    expect(await refused(sandbox.pause({ keepMemory: false }))).toContain('keepMemory');
    expect(await refused(sandbox.files.write('x', 'y', { metadata: { a: 'b' } }))).toContain('metadata');
    await sandbox.kill();
  });
});

describe('the network', () => {
  test('is off where the profile has none, whatever is asked', async () => {
    const sandbox = await world.create({ allowInternetAccess: true });
    const seen = await sandbox.commands.run('curl -sS -m 5 http://example.com 2>&1; true');
    expect(seen.stdout).not.toContain('<html');
    await sandbox.kill();
    const error = await world.create({ network: { allowOut: ['example.com'] } }).catch((reason: unknown) => reason);
    expect(String(error)).toContain('forbids network');
  });

  test('is a list of hosts under a profile with network, closed unless they are named, and set anew while it runs', async () => {
    const sandbox = await Sandbox.create('networked', {
      ...world.as.acme,
      network: { allowOut: ['allowed.example'], denyOut: ['0.0.0.0/0'] },
    });
    const client = await world.daemon.connect('acme');
    const [info] = await client.list();
    const joined = await client.open({ session: info?.session ?? '', role: 'participant' });
    const verdict = async (host: string) => (await joined.egress.explain(`http://${host}/`)).rule;
    const [allowed, other] = [await verdict('allowed.example'), await verdict('other.example')];
    expect(allowed).not.toBe(other);
    await sandbox.updateNetwork({ allowOut: ['other.example'] });
    expect(await verdict('allowed.example')).toBe(other);
    await sandbox.updateNetwork({ allowInternetAccess: false });
    expect((await joined.egress.explain('http://other.example/')).verdict).toBe('deny');
    await expect(sandbox.updateNetwork({ denyOut: ['10.0.0.0/8'] })).rejects.toThrow(/501/);
    await sandbox.kill();
  });
});

describe('a port', () => {
  const get = (host: string, headers: Record<string, string>): Promise<{ status: number; body: string }> =>
    new Promise((resolve, reject) => {
      const [, port = '80'] = host.split(':');
      // What a browser and curl do with a name below localhost, and a resolver with the operator's domain.
      request({ host: '127.0.0.1', port, path: '/x', headers: { ...headers, host } }, (answer) => {
        let body = '';
        answer.on('data', (part: Buffer) => (body += part.toString()));
        answer.on('end', () => resolve({ status: answer.statusCode ?? 0, body }));
      })
        .on('error', reject)
        .end();
    });

  test('is reached by the host that getHost gives, with the token for it and not without', async () => {
    const sandbox = await world.create();
    await sandbox.files.write('x', 'served');
    await sandbox.commands.run('python3 -m http.server 3000 --bind 127.0.0.1', { background: true, timeoutMs: 0 });
    const host = sandbox.getHost(3000);
    expect(host).toMatch(/^3000-[a-z2-7]{20}\.localhost:\d+$/);
    const token = { 'e2b-traffic-access-token': sandbox.trafficAccessToken ?? '' };
    const seen = await eventually(
      () => get(host, token),
      ({ status }) => status === 200,
    );
    expect(seen).toEqual({ status: 200, body: 'served' });
    expect((await get(host, {})).status).toBe(401);
    const rival = await Sandbox.create(world.as.rival);
    expect((await get(host, { 'e2b-traffic-access-token': rival.trafficAccessToken ?? '' })).status).toBe(401);
    expect(
      (await get(host, { 'e2b-traffic-access-token': (sandbox as unknown as { envdAccessToken: string }).envdAccessToken })).status,
    ).toBe(401);
    await Promise.all([sandbox.kill(), rival.kill()]);
  });
});

describe('a key', () => {
  test('that is revoked opens nothing any more, and ends with no other', async () => {
    const sandbox = await world.create();
    const operator = await world.daemon.token(null, { role: 'operator' });
    const revoke = await fetch(`${world.daemon.url.replace('ws', 'http')}/v1/tokens/e2b.acme-1`, {
      method: 'DELETE',
      headers: { authorization: `Bearer ${operator}` },
    });
    expect(revoke.status).toBe(200);
    await expect(world.create()).rejects.toThrow(/revoked/);
    await expect(sandbox.commands.run('true')).rejects.toThrow(/revoked/);
    const rival = await Sandbox.create(world.as.rival);
    await rival.kill();
  });

  test('is nowhere in what the daemon keeps, nor are the tokens made for it', async () => {
    const entries = await readdir(world.daemon.stateDir, { withFileTypes: true });
    for (const entry of entries.filter((one) => one.isFile() && !one.name.startsWith('pool'))) {
      const text = await readFile(join(world.daemon.stateDir, entry.name), 'latin1');
      expect([world.as.acme.apiKey, 'acme-1.'].filter((secret) => text.includes(secret))).toEqual([]);
    }
  });
});
