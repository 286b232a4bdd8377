// Two members of a fleet: a session is used through the one that does not have it, as if it had.

import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import type { Cloister, Sandbox } from '../../client/index.ts';
import { codeOf, eventually } from '../support/eventually.ts';
import { RawClient } from '../support/raw-client.ts';
import { startTenantServer } from '../support/tenant-server.ts';
import { TestFleet } from '../support/test-fleet.ts';

const MIB = 1024 * 1024;

let fleet: TestFleet;
/** Through the member that does not have the sandbox. */
let other: number;
let client: Cloister;
let sandbox: Sandbox;

beforeAll(async () => {
  fleet = await TestFleet.start({
    members: 2,
    config: { ceilings: { perTenant: { sandboxes: 3 } }, ports: { domain: 'previews.example:8080' } },
  });
  const first = await fleet.connect(0, 'acme');
  const opened = await eventually(
    () => first.open({ session: 'build' }).catch(() => null),
    (result) => result !== null,
  );
  other = 1 - fleet.ownerOf(opened!);
  await first.close();
  client = await fleet.connect(other, 'acme');
  sandbox = await client.open({ session: 'build', takeover: true });
});
afterAll(async () => {
  await fleet[Symbol.asyncDispose]();
});

const httpOf = (at: number): string => fleet.member(at).url.replace('ws', 'http');

describe('through a member that does not have it', () => {
  test('a session is opened at its owner, which names itself', async () => {
    expect(fleet.ownerOf(sandbox)).toBe(1 - other);
    expect(sandbox).toMatchObject({ created: false, startKind: 'attached' });
    expect(await fleet.member(other).containers()).toEqual([]);
  });

  test('a command streams, takes input and ends with its own result', async () => {
    const chunks: string[] = [];
    const running = sandbox.exec('read line; echo "got $line"; echo err >&2; exit 3', { stdin: 'hello\n' });
    for await (const chunk of running) chunks.push(`${chunk.stream}:${chunk.text}`);
    expect(await running).toMatchObject({ outcome: 'exited', exitCode: 3, stdout: 'got hello\n', stderr: 'err\n' });
    expect(chunks.toSorted()).toEqual(['stderr:err\n', 'stdout:got hello\n']);
  });

  test('files go both ways, byte for byte', async () => {
    const bytes = randomBytes(8 * MIB);
    await sandbox.files.write('big', bytes);
    expect(
      createHash('sha256')
        .update(await sandbox.files.read('big'))
        .digest('hex'),
    ).toBe(createHash('sha256').update(bytes).digest('hex'));
    expect(await codeOf(sandbox.files.read('none'))).toBe('FILE_NOT_FOUND');
  });

  test('a slow reader stops its own command and nothing else; the rest of the output comes when it is read', async () => {
    const running = sandbox.exec('head -c 33554432 /dev/zero | tr "\\0" x');
    let bytes = 0;
    for await (const chunk of running) {
      if (bytes === 0) expect(await sandbox.exec('echo between')).toMatchObject({ stdout: 'between\n' });
      bytes += chunk.bytes.byteLength;
    }
    expect(bytes).toBe(32 * MIB);
    expect(await running).toMatchObject({ outcome: 'exited', exitCode: 0 });
  });

  test('a command is killed, and gone on with by its id', async () => {
    const running = sandbox.exec('echo begun; sleep 600', { background: true });
    await running.kill();
    expect(await sandbox.attach(running.id)).toMatchObject({ outcome: 'killed', by: 'caller' });
  });

  test('another connection is told that the session is busy, through any member', async () => {
    for (const at of [0, 1]) expect(await codeOf((await fleet.connect(at, 'acme')).open({ session: 'build' }))).toBe('SESSION_BUSY');
  });

  test('another tenant finds nothing, by name or by id', async () => {
    const token = await fleet.member(0).token('rival');
    const raw = await RawClient.greet(fleet.member(other).url, { token });
    expect(await raw.codeOf('close', { sandbox: sandbox.id })).toBe('NOT_FOUND');
    expect(await raw.codeOf('exec.list', { sandbox: sandbox.id })).toBe('NOT_FOUND');
    expect((await raw.request('list', {})).result).toEqual({ sandboxes: [] });
    raw.end();
  });

  test('a call before hello, a broken one and an unknown sandbox are refused as by a daemon alone', async () => {
    const raw = await RawClient.connect(fleet.member(other).url, { token: await fleet.member(0).token('acme') });
    expect(await raw.codeOf('exec.list', { sandbox: sandbox.id })).toBe('INVALID_REQUEST');
    expect(await raw.codeOf('open', { session: 'build' })).toBe('INVALID_REQUEST');
    raw.end();
    const greeted = await RawClient.greet(fleet.member(other).url, { token: await fleet.member(0).token('acme') });
    expect(await greeted.codeOf('open', { session: 'NO GOOD' })).toBe('INVALID_REQUEST');
    expect(await greeted.codeOf('exec.start', { sandbox: sandbox.id, execId: 'x' })).toBe('INVALID_REQUEST');
    expect(await greeted.codeOf('close', { sandbox: 'sb_aaaaaaaaaaaaaaaaaaaa' })).toBe('NOT_FOUND');
    greeted.end();
  });

  test('list and HTTP show the sandboxes of all members', async () => {
    expect((await client.list()).map(({ id }) => id)).toEqual([sandbox.id]);
    const http = httpOf(other);
    const headers = { authorization: `Bearer ${await fleet.member(0).token('acme')}` };
    const listed = (await (await fetch(`${http}/v1/sandboxes`, { headers })).json()) as { sandboxes: { id: string }[] };
    expect(listed.sandboxes.map(({ id }) => id)).toEqual([sandbox.id]);
    expect(await (await fetch(`${http}/v1/sandboxes/${sandbox.id}`, { headers })).json()).toMatchObject({ id: sandbox.id });
    const rival = { authorization: `Bearer ${await fleet.member(0).token('rival')}` };
    expect((await fetch(`${http}/v1/sandboxes/${sandbox.id}`, { headers: rival })).status).toBe(404);
  });

  test('a preview is seen through any member, by whoever has its ticket and nobody else, WebSockets included', async () => {
    await startTenantServer(sandbox);
    const url = new URL(await sandbox.ports.url(3000));
    const listening = (await fleet.records()).find((record) => record.url === httpOf(other))?.previewPort;
    const ask = (path: string): Promise<{ readonly status: number; readonly text: string }> =>
      new Promise((resolve, reject) => {
        const headers = { host: url.host, 'x-asked': 'yes' };
        httpRequest({ host: '127.0.0.1', port: listening, path, headers, agent: false }, (response) => {
          let text = '';
          response.setEncoding('utf8').on('data', (part: string) => (text += part));
          response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
        })
          .on('error', reject)
          .end();
      });
    expect(await ask(`/headers${url.search}`)).toMatchObject({ status: 200, text: expect.stringContaining('x-asked') as string });
    expect((await ask(`/headers${url.search}`)).text).not.toContain('cloister');
    expect((await ask('/headers')).status).toBe(401);
    const socket = new WebSocket(`ws://127.0.0.1:${listening}/echo${url.search}`, { headers: { host: url.host } });
    const [seen] = (await once(socket, 'message')) as [Buffer];
    expect(seen.toString()).not.toContain('cloister');
    socket.send('through both');
    const [echoed] = (await once(socket, 'message')) as [Buffer];
    expect(echoed.toString()).toBe('through both');
    socket.terminate();
  });

  test('a ceiling of a tenant holds over the fleet, and a fork is opened where it lies', async () => {
    await sandbox.files.write('mark', 'of the parent');
    await sandbox.workspace.fork({ session: 'fork' });
    await using fork = await (await fleet.connect(other, 'acme')).open({ session: 'fork' });
    expect(fleet.ownerOf(fork)).toBe(1 - other);
    expect(await fork.files.readText('mark')).toBe('of the parent');
    const openers = await Promise.all([0, 1, 0, 1].map((at) => fleet.connect(at, 'acme')));
    const opened = await Promise.allSettled(openers.map((opener, at) => opener.open({ session: `more-${at}` })));
    const codes = opened.map((result) => (result.status === 'rejected' ? (result.reason as { code: string }).code : 'opened'));
    expect(codes.toSorted()).toEqual(['QUOTA_EXCEEDED', 'QUOTA_EXCEEDED', 'QUOTA_EXCEEDED', 'opened']);
    for (const result of opened) if (result.status === 'fulfilled') await result.value.close();
  });

  test('the same new session opened through both members at once is made once', async () => {
    const openers = await Promise.all([0, 1].map((at) => fleet.connect(at, 'twins')));
    const opened = await Promise.allSettled(openers.map((opener) => opener.open({ session: 'one' })));
    const made = opened.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
    const refused = opened.flatMap((result) => (result.status === 'rejected' ? [(result.reason as { code: string }).code] : []));
    expect([made.length, refused]).toEqual([1, ['SESSION_BUSY']]);
    await made[0]!.close();
  });
});
