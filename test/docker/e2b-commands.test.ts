// Commands and terminals through E2B's own, unmodified package, on a real engine.

import { AuthenticationError, CommandExitError, Sandbox, SandboxError, TimeoutError } from 'e2b';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { HOME } from '../../daemon/compat/sandbox-path.ts';
import { startE2bWorld, type E2bWorld } from '../support/e2b-world.ts';
import { eventually } from '../support/eventually.ts';

interface Sent {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

let world: E2bWorld;
let sandbox: Sandbox;

beforeAll(async () => {
  world = await startE2bWorld();
  sandbox = await world.create({ envs: { COLOUR: 'green' } });
});
afterAll(() => world[Symbol.asyncDispose]());

describe('a command', () => {
  test('tells its output as it comes and its exit code', async () => {
    const told: string[] = [];
    const result = await sandbox.commands.run('echo out; echo err >&2', {
      onStdout: (text) => void told.push(`out:${text}`),
      onStderr: (text) => void told.push(`err:${text}`),
    });
    expect(result).toMatchObject({ exitCode: 0, stdout: 'out\n', stderr: 'err\n' });
    expect(told.toSorted()).toEqual(['err:err\n', 'out:out\n']);
  });

  test('has the environment of its sandbox and its own, and the directory it asks for', async () => {
    await sandbox.files.makeDir(`${HOME}/sub`);
    const { stdout } = await sandbox.commands.run('echo "$COLOUR $SIZE"; pwd; cd ~; pwd', { envs: { SIZE: 'xl' }, cwd: `${HOME}/sub` });
    expect(stdout).toBe('green xl\n/workspace/sub\n/workspace\n');
  });

  test('that fails is the error of that package, with exit code and output', async () => {
    const error = await sandbox.commands.run('echo before; exit 3').catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(CommandExitError);
    expect(error).toMatchObject({ exitCode: 3, stdout: 'before\n', error: 'exit status 3' });
  });

  test('that dies of a signal has no exit code of its own', async () => {
    await expect(sandbox.commands.run('kill -SEGV $$')).rejects.toMatchObject({ exitCode: -1, error: 'signal: SIGSEGV' });
  });

  test('over its time is ended, with everything it started', async () => {
    await expect(sandbox.commands.run('(exec -a outlives-its-time sleep 600) & wait', { timeoutMs: 1500 })).rejects.toBeInstanceOf(
      TimeoutError,
    );
    const left = () => sandbox.commands.run('pgrep -fc "^outlives-its-time" || true');
    expect((await eventually(left, ({ stdout }) => stdout === '0\n')).stdout).toBe('0\n');
  });

  test('that a rule forbids is refused with the rule, and has not run', async () => {
    const error = await sandbox.commands.run('touch ran; rm -rf /').catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(SandboxError);
    expect(String(error)).toContain('Cannot run the command');
    expect(await sandbox.files.exists('ran')).toBe(false);
  });

  test('in a directory that is not the workspace is refused', async () => {
    await expect(sandbox.commands.run('pwd', { cwd: `${HOME}/../../etc` })).rejects.toThrow(/not in the workspace/);
  });
});

describe('a command in the background', () => {
  test('is started at once, listed, connected to and killed', async () => {
    const handle = await sandbox.commands.run('read -r line; echo "got $line"; sleep 600', { background: true, stdin: true, timeoutMs: 0 });
    const listed = (await sandbox.commands.list()).find(({ pid }) => pid === handle.pid);
    expect(listed).toMatchObject({ cmd: '/bin/bash', args: ['-l', '-c', 'read -r line; echo "got $line"; sleep 600'] });
    const second = await sandbox.commands.connect(handle.pid, { timeoutMs: 0 });
    await sandbox.commands.sendStdin(handle.pid, 'one\n');
    expect(
      await eventually(
        () => second.stdout,
        (text) => text !== '',
      ),
    ).toBe('got one\n');
    expect(handle.stdout).toBe('got one\n');
    expect(await handle.kill()).toBe(true);
    await expect(second.wait()).rejects.toMatchObject({ exitCode: -1, error: 'killed by caller' });
    await expect(handle.wait()).rejects.toBeInstanceOf(CommandExitError);
    expect(await sandbox.commands.kill(handle.pid)).toBe(false);
    await expect(sandbox.commands.connect(handle.pid)).rejects.toThrow(/none of this number runs/);
  });

  test('reads to the end of what it is sent', async () => {
    const handle = await sandbox.commands.run('cat', { background: true, stdin: true });
    await handle.sendStdin('first ');
    await handle.sendStdin(new TextEncoder().encode('second'));
    await handle.closeStdin();
    expect(await handle.wait()).toMatchObject({ exitCode: 0, stdout: 'first second' });
  });

  test('goes on when its reader has gone', async () => {
    await sandbox.commands.run('mkfifo gate');
    const handle = await sandbox.commands.run('read -r line < gate; echo "$line" > after', { background: true, timeoutMs: 0 });
    await handle.disconnect();
    expect((await sandbox.commands.list()).map(({ pid }) => pid)).toContain(handle.pid);
    await sandbox.commands.run('echo go > gate');
    const read = () => sandbox.files.read('after').catch(() => '');
    expect(await eventually(read, (text) => text !== '')).toBe('go\n');
  });

  test('that writes more than is read at once loses nothing', async () => {
    const { stdout } = await sandbox.commands.run('seq 1 400000');
    expect(stdout.length).toBe(2_688_895);
    expect(stdout.endsWith('400000\n')).toBe(true);
  });
});

describe('a terminal', () => {
  test('takes input, is resized, shown to who connects, and killed', async () => {
    let seen = '';
    const decoder = new TextDecoder();
    const onData = (bytes: Uint8Array): void => void (seen += decoder.decode(bytes, { stream: true }));
    const terminal = await sandbox.pty.create({ cols: 80, rows: 24, onData, timeoutMs: 0, envs: { PS1: '$ ' } });
    const send = (text: string) => sandbox.pty.sendInput(terminal.pid, new TextEncoder().encode(text));
    await send('stty size\n');
    expect(
      await eventually(
        () => seen,
        (text) => text.includes('24 80'),
      ),
    ).toContain('24 80');
    await sandbox.pty.resize(terminal.pid, { cols: 100, rows: 30 });
    await send('stty size\n');
    expect(
      await eventually(
        () => seen,
        (text) => text.includes('30 100'),
      ),
    ).toContain('30 100');
    let shown = '';
    const second = await sandbox.pty.connect(terminal.pid, {
      onData: (bytes) => void (shown += new TextDecoder().decode(bytes)),
      timeoutMs: 0,
    });
    await send('echo a$((1+1))b\n');
    expect(
      await eventually(
        () => shown,
        (text) => text.includes('a2b'),
      ),
    ).toContain('a2b');
    expect(await sandbox.pty.kill(terminal.pid)).toBe(true);
    await expect(second.wait()).rejects.toBeInstanceOf(CommandExitError);
  });
});

describe('somebody else', () => {
  test('has no sandbox, no command and no file of it, whatever id it names', async () => {
    const { rival } = world.as;
    await expect(Sandbox.connect(sandbox.sandboxId, rival)).rejects.toThrow(/not found/);
    await expect(Sandbox.getInfo(sandbox.sandboxId, rival)).rejects.toThrow(/not found/);
    expect(await Sandbox.kill(sandbox.sandboxId, rival)).toBe(false);
    expect(await Sandbox.list(rival).nextItems()).toEqual([]);
    const own = await Sandbox.create(rival);
    const headers = { 'e2b-sandbox-id': sandbox.sandboxId, 'content-type': 'application/json' };
    const token = (own as unknown as { envdAccessToken: string }).envdAccessToken;
    for (const path of ['/process.Process/List', '/filesystem.Filesystem/Stat', '/files?path=x', '/health']) {
      const asked = (more: Record<string, string>) =>
        fetch(
          `${world.url}${path}`,
          path.includes('.') ? { method: 'POST', headers: { ...headers, ...more }, body: '{}' } : { headers: { ...headers, ...more } },
        );
      expect((await asked({ 'x-access-token': token })).status).toBe(404);
      expect((await asked({})).status).toBe(401);
    }
    await own.kill();
  });

  test('with a key that nobody has is told so', async () => {
    const wrong = { ...world.as.acme, apiKey: `e2b_${'0'.repeat(40)}` };
    await expect(Sandbox.create(wrong)).rejects.toBeInstanceOf(AuthenticationError);
    await expect(Sandbox.kill(sandbox.sandboxId, wrong)).rejects.toBeInstanceOf(AuthenticationError);
  });
});

describe('a request that no client sends', () => {
  const json = { 'content-type': 'application/json' };
  const stream = { 'content-type': 'application/connect+json' };
  const cases: Record<string, readonly [string, Sent, number]> = {
    'to the API without a key': ['/sandboxes', {}, 401],
    'to the API with half a key': ['/sandboxes', { headers: { 'x-api-key': 'e2b_' } }, 401],
    'from a page': ['/sandboxes', { headers: { origin: 'https://evil.example' } }, 403],
    'for the sandbox of no id': ['/health', { headers: { 'x-access-token': 'x', 'e2b-sandbox-id': '../../x' } }, 404],
    'for no sandbox': ['/health', { headers: { 'x-access-token': 'x' } }, 404],
    'with a signature of nothing': ['/files?path=x&signature=v1_', {}, 401],
    'with an expiration that is no time': ['/files?path=x&signature=v1_&signature_expiration=NaN', {}, 401],
  };
  test.each(Object.entries(cases))('%s is refused', async (_, [path, init, status]) => {
    expect((await fetch(`${world.url}${path}`, init)).status).toBe(status);
  });

  const own: Record<string, readonly [string, Sent, number]> = {
    'for a call that is a property of objects': ['/process.Process/constructor', { method: 'POST', headers: json, body: '{}' }, 501],
    'for a service that there is not': ['/other.Service/List', { method: 'POST', headers: json, body: '{}' }, 404],
    'with what is not JSON': ['/filesystem.Filesystem/Stat', { method: 'POST', headers: json, body: '{' }, 400],
    'without what it needs': ['/filesystem.Filesystem/Stat', { method: 'POST', headers: json, body: '{}' }, 400],
    'in binary': ['/filesystem.Filesystem/Stat', { method: 'POST', headers: { 'content-type': 'application/proto' }, body: 'x' }, 501],
    'of more than is read': ['/filesystem.Filesystem/Stat', { method: 'POST', headers: json, body: 'x'.repeat(5_000_000) }, 413],
    'with a form that is none': ['/files', { method: 'POST', headers: { 'content-type': 'multipart/form-data' }, body: 'x' }, 400],
    'with a form that ends early': [
      '/files',
      { method: 'POST', headers: { 'content-type': 'multipart/form-data; boundary=b' }, body: '--b\r\n' },
      400,
    ],
    'with a NUL in a path': ['/files?path=a%00b', {}, 400],
    'with half a surrogate in a path': ['/filesystem.Filesystem/Stat', { method: 'POST', headers: json, body: '{"path":"\\ud800"}' }, 400],
    'to stream half a message': ['/process.Process/Start', { method: 'POST', headers: stream, body: '\0\0\0\0\t{}' }, 200],
  };
  test.each(Object.entries(own))('%s is refused, and the next one is served', async (_, [path, init, status]) => {
    const { envdAccessToken } = sandbox as unknown as { envdAccessToken: string };
    const headers = { ...init.headers, 'x-access-token': envdAccessToken, 'e2b-sandbox-id': sandbox.sandboxId };
    const answer = await fetch(`${world.url}${path}`, { ...init, headers });
    const text = await answer.text();
    expect({ status: answer.status, text }).toEqual({ status, text: expect.stringMatching(/Cannot/) as string });
    expect(text).not.toContain('internal failure');
    expect(await sandbox.isRunning()).toBe(true);
  });
});
