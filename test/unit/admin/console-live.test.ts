// What the console asks for: who sees what, that looking costs nothing when nobody looks, and what 200 sandboxes cost.

import type { IncomingMessage } from 'node:http';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { ConsoleFiles } from '../../../daemon/admin/console-files.ts';
import { LiveSampler } from '../../../daemon/admin/live-sampler.ts';
import { Routes } from '../../../daemon/admin/routes.ts';
import { liveRoutes } from '../../../daemon/admin/routes-live.ts';
import type { Principal } from '../../../daemon/auth/principal.ts';
import { openRequest, poolHarness, type PoolHarness, principal, refusal } from '../../support/fake-sandbox.ts';

const HOST = { cpus: 2, cpuBusy: 0.5, load1: 1, memoryBytes: 100, memoryUsedBytes: 10, uptimeS: 5, daemonCpus: 0.01, daemonMemoryBytes: 7 };
const OPERATOR = principal({ role: 'operator', tenant: null });

let harness: PoolHarness;
let sampler: LiveSampler;
let routes: Routes;
let usage: { cpuMs: number; memoryBytes: number; pids: number };
let readings: number;
let record: ((entry: Record<string, unknown>) => void) | null;
let examined: number;
beforeEach(() => {
  harness = poolHarness();
  usage = { cpuMs: 0, memoryBytes: 1024, pids: 3 };
  readings = 0;
  record = null;
  examined = 0;
  sampler = new LiveSampler({
    sessions: () => harness.pool.sessions(),
    workspaceBytes: async () => 4096,
    disk: async () => ({ totalBytes: 10, usedBytes: 5 }),
    host: { read: () => ((readings += 1), HOST) },
    onRecord: (listener) => {
      record = listener;
      return () => (record = null);
    },
    clock: harness.clock,
  });
  const live = liveRoutes({
    pool: harness.pool,
    sampler,
    spares: () => ({ free: 1, wanted: 2 }),
    maxSessions: 100,
    examine: async () => ((examined += 1), { verdict: 'pass', counts: { pass: 1, warn: 0, fail: 0 }, findings: [] }),
    version: 'test',
    facts: { engine: 'x' },
    clock: harness.clock,
  });
  routes = new Routes({ pool: harness.pool, version: 'test', notReady: async () => [], more: live });
});

const get = (url: string, who: Principal | null) => routes.answer({ url, method: 'GET' } as IncomingMessage, who);
const open = async (tenant: string, session: string): Promise<string> => {
  const { id } = await harness.pool.open(openRequest(session), principal({ tenant }), `client-${session}`);
  for (const made of harness.maker.made) Object.assign(made, { usage: () => usage });
  return id;
};
interface Overview {
  sandboxes: { session: string; usage: Record<string, number | null> | null }[];
  perMinute?: Record<string, number>;
  host?: unknown;
}
const overview = async (who: Principal): Promise<Overview> => {
  const answer = await get('/v1/overview', who);
  if ('bytes' in answer) return JSON.parse(answer.bytes.toString()) as Overview;
  return 'body' in answer ? (answer.body as Overview) : { sandboxes: [] };
};

describe('the overview', () => {
  test('has the host for operators, and for others their own sandboxes alone', async () => {
    await open('acme', 'a');
    await open('globex', 'b');
    expect(await overview(OPERATOR)).toMatchObject({
      sandboxes: [{ session: 'a' }, { session: 'b' }],
      host: HOST,
      pool: { spares: { free: 1 } },
    });
    for (const role of ['tenant', 'observer'] as const) {
      const seen = await overview(principal({ role }));
      expect(seen.sandboxes.map(({ session }) => session)).toEqual(['a']);
      for (const field of ['host', 'pool', 'daemon', 'history', 'perMinute']) expect(seen).not.toHaveProperty(field);
    }
  });

  test('says how many processors a sandbox uses, from two readings of its time', async () => {
    await open('acme', 'a');
    expect((await overview(OPERATOR)).sandboxes[0]?.usage).toMatchObject({ cpus: null, memoryBytes: 1024, pids: 3 });
    usage = { ...usage, cpuMs: 500 };
    await harness.clock.advance(2000);
    expect((await overview(OPERATOR)).sandboxes[0]?.usage).toMatchObject({ cpus: 0.25 });
    // A sandbox that was started again counts from nothing.
    usage = { ...usage, cpuMs: 10 };
    await harness.clock.advance(2000);
    expect((await overview(OPERATOR)).sandboxes[0]?.usage).toMatchObject({ cpus: null });
  });

  test('counts what happens in a minute', async () => {
    await overview(OPERATOR);
    for (const entry of [
      { kind: 'exec.start' },
      { kind: 'decision', verdict: 'deny' },
      { kind: 'denied' },
      { kind: 'egress.decision', verdict: 'deny' },
      { kind: 'sandbox.open' },
      { kind: 'files.read' },
    ])
      record?.(entry);
    await harness.clock.advance(2000);
    expect((await overview(OPERATOR)).perMinute).toEqual({ opens: 1, commands: 1, denials: 2, egressAllowed: 0, egressDenied: 1 });
  });

  test('is shared by all who look, and samples nothing once nobody does', async () => {
    await open('acme', 'a');
    for (let viewer = 0; viewer < 50; viewer += 1) await overview(OPERATOR);
    expect(readings).toBe(1);
    const [first, second] = await Promise.all([get('/v1/overview', OPERATOR), get('/v1/overview', OPERATOR)]);
    expect('bytes' in first && 'bytes' in second && first.bytes === second.bytes).toBe(true);
    await harness.clock.advance(10_000);
    expect(readings).toBe(6);
    await harness.clock.advance(60_000);
    const then = readings;
    expect({ isSampling: sampler.isSampling, isListening: record !== null }).toEqual({ isSampling: false, isListening: false });
    await harness.clock.advance(600_000);
    expect(readings).toBe(then);
    await overview(OPERATOR);
    expect(sampler.isSampling).toBe(true);
    sampler.stop();
  });

  test('keeps a bounded past, and none of what is gone', async () => {
    const id = (await open('acme', 'a')) as Parameters<LiveSampler['points']>[0];
    for (let round = 0; round < 300; round += 1) {
      sampler.look();
      for (const session of harness.pool.sessions()) session.lastUsedAtMs = harness.clock.now();
      await harness.clock.advance(2000);
    }
    expect(sampler.points(id)).toHaveLength(180);
    expect(sampler.history).toHaveLength(180);
    await harness.pool.close(harness.pool.find(id, OPERATOR), 'test');
    await harness.clock.advance(2000);
    expect(sampler.points(id)).toEqual([]);
  });
});

test('an inspection is for those who may see the sandbox, and wakes nothing', async () => {
  const id = await open('acme', 'a');
  const session = harness.pool.sessions()[0];
  const usedAt = session?.lastUsedAtMs;
  await harness.clock.advance(500);
  expect(await get(`/v1/inspect/${id}`, principal({ role: 'observer' }))).toMatchObject({
    status: 200,
    body: { id, receipt: { sandboxId: id } },
  });
  expect(session?.lastUsedAtMs).toBe(usedAt);
  expect(await refusal(get(`/v1/inspect/${id}`, principal({ tenant: 'globex' })))).toBe('NOT_FOUND: there is none of this id');
  expect(await refusal(get('/v1/inspect/x', OPERATOR))).toBe('NOT_FOUND: it is not a sandbox id');
});

test('the host is examined for operators alone, and once for all who ask at a time', async () => {
  for (const who of [principal(), principal({ role: 'observer' }), principal({ role: 'operator', isReadOnly: true })])
    expect(await refusal(get('/v1/doctor', who))).toBe('FORBIDDEN: only operators may');
  await Promise.all([get('/v1/doctor', OPERATOR), get('/v1/doctor', OPERATOR)]);
  expect(examined).toBe(1);
  await harness.clock.advance(11_000);
  await get('/v1/doctor', OPERATOR);
  expect(examined).toBe(2);
});

test('whoever asks is told who it is', async () => {
  expect(await get('/v1/self', principal({ role: 'observer', isReadOnly: true }))).toMatchObject({
    body: { role: 'observer', tenant: 'acme', readOnly: true, version: 'test' },
  });
  for (const url of ['/v1/self', '/v1/overview', '/v1/doctor', '/v1/inspect/x'])
    expect(await refusal(get(url, null))).toBe('UNAUTHENTICATED: no token was sent');
});

describe('the files of the console', () => {
  test('need no token, are sent again only when they changed, and let no foreign code in', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'cl-console-'));
    for (const name of ['index.html', 'console.js', 'console.css', 'icon.svg']) await writeFile(join(directory, name), name);
    const console = await ConsoleFiles.load(directory);
    const served = new Routes({ pool: harness.pool, version: 'test', notReady: async () => [], console });
    const ask = (url: string, headers = {}, method = 'GET') => served.answer({ url, method, headers } as unknown as IncomingMessage, null);
    const page = await ask('/?x');
    if (!('headers' in page)) throw new Error('no page');
    expect(page.headers['content-security-policy']).toContain("default-src 'none'; script-src 'self'; style-src 'self'");
    expect(page.headers['content-security-policy']).not.toMatch(/unsafe|\*|data:|https?:/);
    expect(page).toMatchObject({
      status: 200,
      headers: { 'x-frame-options': 'DENY', 'x-content-type-options': 'nosniff', 'referrer-policy': 'no-referrer' },
    });
    expect(await ask('/', { 'if-none-match': page.headers['etag'] })).toMatchObject({ status: 304 });
    for (const url of ['/index.html', '/console.js.map', '/../package.json', '/v1/self'])
      expect(await refusal(ask(url))).toBe('UNAUTHENTICATED: no token was sent');
    expect(await refusal(ask('/', {}, 'POST'))).toBe('UNAUTHENTICATED: no token was sent');
    await rm(directory, { recursive: true });
  });

  test('that were not built are not served, and nothing else suffers', async () => {
    const console = await ConsoleFiles.load(join(tmpdir(), 'nothing-here'));
    expect(console.answer('/', undefined)).toBeNull();
  });
});
