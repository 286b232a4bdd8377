// Whatever a client sends, it gets a typed error or a close code, and nobody else notices.

import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Cloister, Sandbox } from '../../client/index.ts';
import {
  encodeFrame,
  ERROR_TABLE,
  FRAME_KIND,
  INITIAL_WINDOW,
  MAX_MESSAGE_BYTES,
  MAX_PAYLOAD_BYTES,
  type ErrorCode,
} from '../../client/protocol/index.ts';
import { RawClient } from '../support/raw-client.ts';
import { startTestDaemon, type TestDaemon } from '../support/test-daemon.ts';

const MIB = 1024 * 1024;
const NOBODY = `sb_${'a'.repeat(20)}`;
const newClientId = (): string => randomBytes(24).toString('base64url');

let daemon: TestDaemon;
let token: string;
/** A bystander: another tenant at work on a connection of its own. */
let bystander: Sandbox;
let client: Cloister;
let sandbox: Sandbox;
let raw: RawClient;

beforeAll(async () => {
  daemon = await startTestDaemon();
  token = await daemon.token('acme');
  bystander = await (await daemon.connect('globex')).open({ session: 'bystander' });
  client = await daemon.connect('acme');
  sandbox = await client.open({ session: 'victim' });
});
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
});
beforeEach(async () => {
  raw = await RawClient.greet(daemon.url, { token });
  expect(await raw.codeOf('open', { session: 'victim', role: 'participant' })).toBe('no error');
});
afterEach(async () => {
  raw.end();
  expect((await bystander.exec(['echo', 'unharmed'])).stdout).toBe('unharmed\n');
  expect((await sandbox.exec(['echo', 'unharmed'])).stdout).toBe('unharmed\n');
});

describe('a message that breaks the protocol closes its own connection and no other', () => {
  test.each<[string, (connection: RawClient) => void, number]>([
    ['text that is not JSON', (connection) => connection.send('{"id": 1,'), 1002],
    ['JSON that is not a request', (connection) => connection.send('[1, 2]'), 1002],
    ['a request without an id', (connection) => connection.send('{"op":"list","params":{}}'), 1002],
    ['a binary message shorter than a header', (connection) => connection.send(Buffer.from([1, 2, 3])), 1002],
    ['a binary message of an unknown kind', (connection) => connection.send(Buffer.concat([Buffer.from([9]), Buffer.alloc(15)])), 1002],
    [
      'a frame whose payload is larger than allowed',
      (connection) => connection.send(Buffer.concat([encodeFrame(FRAME_KIND.data, 0, 7, 0), Buffer.alloc(MAX_PAYLOAD_BYTES + 1)])),
      1002,
    ],
    ['a message of more than 1 MiB', (connection) => connection.send(Buffer.alloc(MAX_MESSAGE_BYTES + 1)), 1009],
    ['a text message of 8 MiB', (connection) => connection.send('x'.repeat(8 * MIB)), 1009],
  ])('%s', async (_, send, code) => {
    send(raw);
    expect(await raw.closed).toBe(code);
  });

  test('data beyond the credit of a stream', async () => {
    // Nobody reads this stdin, so what may be sent stays what pipes and windows hold.
    void raw.request('exec.start', { sandbox: sandbox.id, execId: 'flood', command: ['sleep', '60'], stdin: 'pipe', stream: 5 });
    for (let offset = 0; offset <= 16 * INITIAL_WINDOW; offset += MAX_PAYLOAD_BYTES)
      raw.send(encodeFrame(FRAME_KIND.data, 0, 5, offset, Buffer.alloc(MAX_PAYLOAD_BYTES)));
    expect(await raw.closed).toBe(1002);
    await sandbox.attach('flood').kill();
  });

  test('data at another offset than the next one', async () => {
    void raw.request('files.write', { sandbox: sandbox.id, path: 'holes', stream: 5 });
    raw.send(encodeFrame(FRAME_KIND.data, 0, 5, 1000, Buffer.from('x')));
    expect(await raw.closed).toBe(1002);
    expect(await sandbox.files.exists('holes')).toBe(false);
  });

  test('a connection that says no hello gets no answer but an error, and is closed', async () => {
    const silent = await RawClient.connect(daemon.url, { token });
    expect(await silent.codeOf('list', {})).toBe('INVALID_REQUEST');
    expect(await silent.codeOf('hello', { protocol: 99, clientId: newClientId() })).toBe('PROTOCOL_VERSION');
    expect(await silent.closed).toBe(1002);
  }, 20_000);
});

describe('a bad request is answered with a code, and the connection goes on', () => {
  const start = (extra: object): object => ({
    sandbox: sandbox.id,
    execId: `bad-${randomBytes(6).toString('hex')}`,
    command: ['true'],
    ...extra,
  });

  test.each<[string, string, () => object, ErrorCode]>([
    ['an unknown operation', 'exec.everything', () => ({}), 'INVALID_REQUEST'],
    ['an operation of Object.prototype', 'constructor', () => ({}), 'INVALID_REQUEST'],
    ['parameters of the wrong shape', 'open', () => [] as object, 'INVALID_REQUEST'],
    ['an unknown field', 'open', () => ({ session: 'new', privileged: true }), 'INVALID_REQUEST'],
    ['a user to run as', 'exec.start', () => start({ user: 'root' }), 'INVALID_REQUEST'],
    ['a second hello', 'hello', () => ({ protocol: 1, clientId: newClientId() }), 'INVALID_REQUEST'],
    ['a session name with a slash', 'open', () => ({ session: '../other' }), 'INVALID_REQUEST'],
    ['an unknown profile', 'open', () => ({ session: 'new', profile: 'root-please' }), 'PROFILE_UNKNOWN'],
    ['a profile named like a property of every object', 'open', () => ({ session: 'new', profile: 'constructor' }), 'PROFILE_UNKNOWN'],
    ['an unknown image', 'open', () => ({ session: 'new', image: 'ubuntu' }), 'IMAGE_NOT_ALLOWED'],
    ['an image named like a property of every object', 'open', () => ({ session: 'new', image: 'constructor' }), 'IMAGE_NOT_ALLOWED'],
    ['an unknown runtime', 'open', () => ({ session: 'new', runtime: 'none' }), 'POLICY_INVALID'],
    ['network under a profile without', 'open', () => ({ session: 'new', egress: { allow: ['pypi.org'] } }), 'POLICY_INVALID'],
    ['a directory of the host as workspace', 'open', () => ({ session: 'new', workspace: { hostPath: '/etc' } }), 'POLICY_INVALID'],
    ['limits below what works', 'open', () => ({ session: 'new', limits: { memoryBytes: 1 } }), 'INVALID_REQUEST'],
    [
      'limits that contradict each other',
      'open',
      () => ({ session: 'new', limits: { memoryBytes: 64 * MIB, tmpBytes: 64 * MIB } }),
      'INVALID_REQUEST',
    ],
    ["a tenant that is not the token's", 'open', () => ({ session: 'new', tenant: 'globex' }), 'FORBIDDEN'],
    [
      'an environment the loader obeys, for the sandbox',
      'open',
      () => ({ session: 'new', env: { LD_PRELOAD: '/workspace/x.so' } }),
      'INVALID_REQUEST',
    ],
    ['a sandbox of nobody', 'exec.start', () => start({ sandbox: NOBODY }), 'NOT_FOUND'],
    ['a sandbox id that is none', 'exec.start', () => start({ sandbox: '../../x' }), 'INVALID_REQUEST'],
    ['an empty argv', 'exec.start', () => start({ command: [] }), 'INVALID_REQUEST'],
    ['an argv whose program is empty', 'exec.start', () => start({ command: [''] }), 'INVALID_REQUEST'],
    ['an empty command', 'exec.start', () => start({ command: '' }), 'INVALID_REQUEST'],
    ['a NUL byte in an argument', 'exec.start', () => start({ command: ['echo', 'a\0b'] }), 'INVALID_REQUEST'],
    ['a NUL byte in an environment value', 'exec.start', () => start({ env: { A: 'a\0b' } }), 'INVALID_REQUEST'],
    ['an environment name with an equals sign', 'exec.start', () => start({ env: { 'A=B': 'c' } }), 'INVALID_REQUEST'],
    ['LD_PRELOAD', 'exec.start', () => start({ env: { LD_PRELOAD: '/workspace/x.so' } }), 'INVALID_REQUEST'],
    ['NODE_OPTIONS', 'exec.start', () => start({ env: { NODE_OPTIONS: '--require=/workspace/x.js' } }), 'INVALID_REQUEST'],
    [
      'more arguments and environment than a command can take',
      'exec.start',
      () => start({ env: Object.fromEntries(Array.from({ length: 8 }, (_, n) => [`V${n}`, 'x'.repeat(100_000)])) }),
      'TOO_LARGE',
    ],
    ['a working directory outside the workspace', 'exec.start', () => start({ cwd: '../..' }), 'PATH_ESCAPES_WORKSPACE'],
    ['a time limit of zero', 'exec.start', () => start({ timeoutMs: 0 }), 'INVALID_REQUEST'],
    ['a signal that does not exist', 'exec.kill', () => ({ sandbox: sandbox.id, execId: 'x', signal: 'SIGNOT' }), 'INVALID_REQUEST'],
    ['a command nobody started', 'exec.kill', () => ({ sandbox: sandbox.id, execId: 'never' }), 'EXEC_UNKNOWN'],
    [
      'a path that leads out by ..',
      'files.read',
      () => ({ sandbox: sandbox.id, path: '../etc/passwd', stream: 9 }),
      'PATH_ESCAPES_WORKSPACE',
    ],
    ['a path that leads out and back in', 'files.stat', () => ({ sandbox: sandbox.id, path: '../workspace/x' }), 'PATH_ESCAPES_WORKSPACE'],
    ['an absolute path outside', 'files.stat', () => ({ sandbox: sandbox.id, path: '/etc/passwd' }), 'PATH_ESCAPES_WORKSPACE'],
    ['a NUL byte in a path', 'files.stat', () => ({ sandbox: sandbox.id, path: 'a\0b' }), 'INVALID_REQUEST'],
    ['an empty path', 'files.stat', () => ({ sandbox: sandbox.id, path: '' }), 'INVALID_REQUEST'],
    ['a path longer than any', 'files.stat', () => ({ sandbox: sandbox.id, path: 'x/'.repeat(4096) }), 'INVALID_REQUEST'],
    ['a setuid mode', 'files.chmod', () => ({ sandbox: sandbox.id, path: 'x', mode: 0o4755 }), 'INVALID_REQUEST'],
  ])('%s', async (_, op, params, code) => {
    const { error } = await raw.request(op, params());
    expect(error).toMatchObject({
      code,
      retry: ERROR_TABLE[code].retry,
      message: expect.stringMatching(/^Cannot /),
      hint: expect.stringMatching(/./),
    });
    expect(await raw.codeOf('list', {})).toBe('no error');
  });

  test('an unknown field beside the request', async () => {
    expect(await raw.codeOf('list', {}, { asRoot: true })).toBe('INVALID_REQUEST');
    expect(await raw.codeOf('list', {})).toBe('no error');
  });

  test('10 MB of environment never reaches the socket: the client says TOO_LARGE', async () => {
    await expect(sandbox.exec('true', { env: { BIG: 'x'.repeat(10 * MIB) } })).rejects.toMatchObject({ code: 'TOO_LARGE' });
  });

  test('a stream id that is in use', async () => {
    const first = raw.request('exec.start', start({ command: ['cat'], stdin: 'pipe', stream: 3 }));
    expect(await raw.codeOf('exec.start', start({ command: ['cat'], stdin: 'pipe', stream: 3 }))).toBe('INVALID_REQUEST');
    expect(await raw.codeOf('files.write', { sandbox: sandbox.id, path: 'x', stream: 3 })).toBe('INVALID_REQUEST');
    raw.send(encodeFrame(FRAME_KIND.data, 0, 3, 0, Buffer.from('still mine\n')));
    raw.send(encodeFrame(FRAME_KIND.data, 2, 3, 11));
    expect((await first).result).toMatchObject({ outcome: 'exited', stdout: 'still mine\n' });
  });

  test('a command in a session that is closed is SESSION_EXPIRED', async () => {
    const closed = await client.open({ session: 'short', workspace: { retain: 'delete' } });
    await closed.close();
    expect(await raw.codeOf('exec.start', start({ sandbox: closed.id }))).toBe('SESSION_EXPIRED');
  });

  test('of 3000 requests at once each gets exactly one answer, and what is over the bound is QUOTA_EXCEEDED', async () => {
    const codes = await Promise.all(Array.from({ length: 3000 }, () => raw.codeOf('files.stat', { sandbox: sandbox.id, path: '.' })));
    expect(new Set(codes)).toEqual(new Set(['no error', 'QUOTA_EXCEEDED']));
    expect(codes.filter((code) => code === 'no error').length).toBeGreaterThan(0);
    expect(await raw.codeOf('list', {})).toBe('no error');
  });
});

describe("another tenant's sandbox does not exist", () => {
  test.each<[string, (id: string) => object]>([
    ['exec.start', (id) => ({ sandbox: id, execId: 'x', command: 'id' })],
    ['exec.attach', (id) => ({ sandbox: id, execId: 'x' })],
    ['exec.kill', (id) => ({ sandbox: id, execId: 'x' })],
    ['exec.resize', (id) => ({ sandbox: id, execId: 'x', size: { columns: 1, rows: 1 } })],
    ['exec.list', (id) => ({ sandbox: id })],
    ['files.read', (id) => ({ sandbox: id, path: 'x', stream: 2 })],
    ['files.write', (id) => ({ sandbox: id, path: 'x', stream: 2 })],
    ['files.list', (id) => ({ sandbox: id, path: '.' })],
    ['files.remove', (id) => ({ sandbox: id, path: 'x' })],
    ['extend', (id) => ({ sandbox: id, ttlMs: 5000 })],
    ['close', (id) => ({ sandbox: id })],
  ])('for %s: the answer is that of an id nobody has', async (op, params) => {
    const theirs = (await raw.request(op, params(bystander.id))).error;
    const nobodys = (await raw.request(op, params(NOBODY))).error;
    expect(theirs?.code).toBe('NOT_FOUND');
    expect({ ...theirs, requestId: '', message: theirs?.message.replace(bystander.id, 'ID') }).toEqual({
      ...nobodys,
      requestId: '',
      message: nobodys?.message.replace(NOBODY, 'ID'),
    });
  });

  test('nor does it in a list, or under its name', async () => {
    const listed = (await raw.request('list', {})).result as { sandboxes: { id: string }[] };
    expect(listed.sandboxes.map(({ id }) => id)).not.toContain(bystander.id);
    const { result } = await raw.request('open', { session: 'bystander', workspace: { retain: 'delete' } });
    expect(result).toMatchObject({ created: true, tenant: 'acme' });
    expect((result as { id: string }).id).not.toBe(bystander.id);
    expect(await raw.codeOf('close', { sandbox: (result as { id: string }).id })).toBe('no error');
  });

  test('and a resumed clientId of another principal is refused', async () => {
    const clientId = newClientId();
    const theirs = await RawClient.greet(daemon.url, { token: await daemon.token('globex'), clientId });
    const mine = await RawClient.connect(daemon.url, { token });
    expect(await mine.codeOf('hello', { protocol: 1, clientId })).toBe('UNAUTHENTICATED');
    expect(await theirs.codeOf('list', {})).toBe('no error');
    mine.end();
    theirs.end();
  });
});

describe('a token that allows less', () => {
  test.each<[string, object, string, () => object, string]>([
    ["an observer's may list", { role: 'observer' }, 'list', () => ({}), 'no error'],
    [
      "an observer's may not run",
      { role: 'observer' },
      'exec.start',
      () => ({ sandbox: sandbox.id, execId: 'o1', command: 'id' }),
      'FORBIDDEN',
    ],
    ['a read-only one may read', { isReadOnly: true }, 'files.list', () => ({ sandbox: sandbox.id, path: '.' }), 'no error'],
    ['a read-only one may not write', { isReadOnly: true }, 'files.mkdir', () => ({ sandbox: sandbox.id, path: 'x' }), 'FORBIDDEN'],
    ["an observer's may not join to work", { role: 'observer' }, 'open', () => ({ session: 'victim', role: 'participant' }), 'FORBIDDEN'],
    ['a read-only one may not open a new session', { isReadOnly: true }, 'open', () => ({ session: 'new' }), 'FORBIDDEN'],
    ['one for another session sees nothing of this one', { session: 'other' }, 'exec.list', () => ({ sandbox: sandbox.id }), 'NOT_FOUND'],
    ['one for another session may not open this one', { session: 'other' }, 'open', () => ({ session: 'victim' }), 'FORBIDDEN'],
  ])('%s', async (_, options, op, params, code) => {
    const narrow = await RawClient.greet(daemon.url, { token: await daemon.token('acme', options) });
    await narrow.request('open', { session: 'victim', role: 'role' in options ? 'observer' : 'participant' });
    expect(await narrow.codeOf(op, params())).toBe(code);
    narrow.end();
  });

  test('ends its connection with 4003 when it expires', async () => {
    const brief = await RawClient.greet(daemon.url, { token: await daemon.token('acme', { ttlMs: 2000 }) });
    expect(await brief.closed).toBe(4003);
  });
});
