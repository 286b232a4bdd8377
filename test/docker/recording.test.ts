// A recorded session: what it did is there after its end, under the next daemon too, as a player of asciicasts takes it, and without
// the values of its secrets.

import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { startTestDaemon, type TestDaemon } from '../support/test-daemon.ts';
import { type Typed, typeCli } from '../support/typed-cli.ts';

/** https://docs.asciinema.org/manual/asciicast/v2/ */
const Header = z.looseObject({ version: z.literal(2), width: z.int().min(1), height: z.int().min(1), timestamp: z.int().min(1) });
const Event = z.tuple([z.number().min(0), z.enum(['o', 'i', 'm', 'r']), z.string()]);
const SECRET = 'recorded-nowhere-4711';
const CONFIG = { record: { bytes: 4 * 1024 * 1024, profiles: ['workspace-write-no-network'] } };

let directory: string;
let stateDir: string;
let daemon: TestDaemon;
let id: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'cl-trc-'));
  stateDir = await mkdtemp(join(tmpdir(), 'cl-td-'));
  daemon = await startTestDaemon({ stateDir, config: CONFIG });
  const client = await daemon.connect('acme');
  const sandbox = await client.open({ session: 'demo', secrets: { KEY: { value: SECRET } }, workspace: { retain: 'delete' } });
  id = sandbox.id;
  await sandbox.exec('echo begin; printf "\\303"; sleep 0.3; printf "\\251\\n"; echo "$KEY" >&2; exit 3', { secrets: ['KEY'] });
  await sandbox.exec(['stty', 'size'], { pty: { columns: 90, rows: 30 } });
  await (await client.open({ session: 'quiet', profile: 'readonly' })).exec('echo not recorded');
  await sandbox.close({ workspace: 'delete' });
  await daemon.stop('close');
  daemon = await startTestDaemon({ stateDir, config: CONFIG });
});
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  await rm(directory, { recursive: true });
});

const type = (...args: readonly string[]): Promise<Typed> => typeCli(stateDir, args).ended;
const get = async (path: string, tenant: string | null): Promise<Response> =>
  fetch(`${daemon.url.replace('ws', 'http')}${path}`, {
    headers: { authorization: `Bearer ${await daemon.token(tenant, tenant === null ? { role: 'operator' } : {})}` },
  });

test('logs --cast writes what a player takes: times that do not go back, whole characters, every command', async () => {
  const file = join(directory, 'demo.cast');
  expect(await type('logs', id, '--cast', file)).toMatchObject({ code: 0, err: '' });
  const [first = '', ...lines] = (await readFile(file, 'utf8')).trimEnd().split('\n');
  expect(Header.parse(JSON.parse(first))).toMatchObject({ title: `demo (${id})` });
  const events = lines.map((line) => Event.parse(JSON.parse(line)));
  const times = events.map(([at]) => at);
  expect(times).toEqual([...times].sort((a, b) => a - b));
  expect(times.at(-1)).toBeGreaterThan(0.25);
  const text = events.map(([, , piece]) => piece).join('');
  expect(text).toMatch(/\$ echo begin;[^\r\n]*\r\n/);
  expect(text).toContain('begin\r\né\r\n');
  expect(text).toContain('$ stty size\r\n30 90\r\n');
  expect((await stat(file)).mode & 0o777).toBe(0o600);
});

test('logs prints it, by the name of the session, and --jsonl the calls', async () => {
  expect((await type('logs', 'demo')).out).toMatch(/^\[\S+\] \$ echo begin(.*\n)+\[\S+\] exited 3\n(.*\n)+\[\S+\] exited 0\n$/);
  const calls = (await type('logs', 'demo', '--jsonl')).out.trimEnd().split('\n');
  const kinds = calls.map((line) => (JSON.parse(line) as { kind: string }).kind);
  expect(kinds).toEqual(expect.arrayContaining(['sandbox.open', 'exec.start', 'exec.end', 'sandbox.close']));
});

test('no value of a secret is in it, and nobody but the owner of the state directory can read it', async () => {
  const names = await readdir(join(stateDir, 'recordings'));
  expect(names).toEqual([`${id}.0.rec`]);
  for (const name of names) {
    const path = join(stateDir, 'recordings', name);
    const text = await readFile(path, 'utf8');
    const output = [...text.matchAll(/"d":"([^"]*)"/g)].map(([, base64 = '']) => Buffer.from(base64, 'base64').toString()).join('');
    expect(text).not.toContain(SECRET);
    expect(output).not.toContain(SECRET);
    expect(output).toContain('begin');
    expect((await stat(path)).mode & 0o777).toBe(0o600);
  }
});

test('whoever may not see the session is told that there is none, and a session that is not recorded has none', async () => {
  expect((await get(`/v1/recordings/${id}`, 'globex')).status).toBe(404);
  expect(await (await get('/v1/recordings', 'globex')).json()).toEqual({ recordings: [] });
  expect((await get(`/v1/recordings/${id}`, 'acme')).status).toBe(200);
  expect(await (await get('/v1/recordings', null)).json()).toMatchObject({
    recordings: [{ sandboxId: id, session: 'demo', isLive: false }],
  });
  expect((await get(`/v1/recordings/${'sb_'.padEnd(23, 'a')}`, null)).status).toBe(404);
  expect(await type('logs', 'quiet')).toMatchObject({ code: 1, err: expect.stringContaining('NOT_FOUND') as string });
});
