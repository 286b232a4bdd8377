// MCP on a real engine: the official client over HTTP and stdio uses every tool, is asked, is denied, cancels, and gets no further
// than its token.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { type Mcp, mcpOverHttp, mcpOverStdio } from '../support/mcp-client.ts';
import { startTestDaemon, type TestDaemon } from '../support/test-daemon.ts';

const ASKS = [{ tool: 'exec', args: { command: 'touch asked*' }, action: 'ask', reason: 'touching is asked about' }, { preset: 'profile' }];
const TOOLS = ['bash', 'bash_output', 'edit', 'glob', 'grep', 'kill', 'list', 'multi_edit', 'patch', 'read', 'write'];

let daemon: TestDaemon;
let http: string;
let token: string;
let mcp: Mcp;

beforeAll(async () => {
  daemon = await startTestDaemon({ config: { permissions: { rules: ASKS } } });
  http = daemon.url.replace('ws:', 'http:');
  token = await daemon.token('acme');
  mcp = await mcpOverHttp({ http, token });
});
afterAll(async () => {
  await mcp[Symbol.asyncDispose]();
  await daemon[Symbol.asyncDispose]();
});

const sessions = async (): Promise<string[]> => {
  const client = await daemon.connect('acme');
  const all = await client.list();
  await client.close();
  return all.map(({ session }) => session);
};

describe('the tools', () => {
  test('are eleven, each with schemas and hints; those that only look say so', async () => {
    const { tools } = await mcp.client.listTools();
    expect(tools.map(({ name }) => name).toSorted()).toEqual(TOOLS);
    expect(tools.every(({ inputSchema, outputSchema }) => inputSchema['type'] === 'object' && outputSchema?.['type'] === 'object')).toBe(
      true,
    );
    const looking = tools.filter(({ annotations }) => annotations?.readOnlyHint === true).map(({ name }) => name);
    expect(looking.toSorted()).toEqual(['bash_output', 'glob', 'grep', 'list', 'read']);
    expect(tools.filter(({ annotations }) => annotations?.destructiveHint === undefined)).toEqual([]);
    expect(mcp.client.getInstructions()).toContain('/workspace');
  });

  test('write, read, edit, patch and find files', async () => {
    expect((await mcp.call('write', { path: 'src/a.txt', content: 'one\ntwo\nthree\n' })).structured).toEqual({
      path: 'src/a.txt',
      size: 14,
    });
    expect((await mcp.call('edit', { path: 'src/a.txt', old_string: 'two', new_string: 'zwei' })).structured).toMatchObject({ lines: [2] });
    const edits = [
      { old_string: 'one', new_string: 'eins' },
      { old_string: 'three', new_string: 'drei' },
    ];
    expect((await mcp.call('multi_edit', { path: 'src/a.txt', edits })).structured).toMatchObject({ replacements: 2 });
    const patch = '--- a/src/a.txt\n+++ b/src/a.txt\n@@ -1,3 +1,3 @@\n eins\n-zwei\n+2\n drei\n';
    expect((await mcp.call('patch', { patch })).structured).toMatchObject({ files: [{ path: 'src/a.txt', action: 'changed' }] });
    const read = await mcp.call('read', { path: 'src/a.txt', offset: 2, limit: 1 });
    expect(read.structured).toMatchObject({ text: '2', start_line: 2, end_line: 2, truncated: true });
    expect(read.text).toContain('go on with offset 3');
    expect((await mcp.call('grep', { pattern: 'dr.i' })).structured).toMatchObject({
      lines: [{ path: 'src/a.txt', line: 3, text: 'drei' }],
    });
    expect((await mcp.call('glob', { pattern: '**/*.txt' })).structured).toEqual({ paths: ['src/a.txt'], truncated: false });
    expect((await mcp.call('list', {})).structured).toMatchObject({ entries: [{ path: 'src', kind: 'directory' }] });
    expect((await mcp.call('write', { path: 'p.png', content: 'iVBORw0KGgo=', encoding: 'base64' })).isError).toBe(false);
    expect((await mcp.call('read', { path: 'p.png', format: 'base64' })).content).toMatchObject([
      { type: 'text' },
      { mimeType: 'image/png' },
    ]);
  });

  test('refuse with a code and a hint, and the next call works', async () => {
    const refused = await mcp.call('read', { path: '../etc/passwd' });
    expect(refused).toMatchObject({ isError: true, structured: { error: { code: 'PATH_ESCAPES_WORKSPACE' } } });
    expect(refused.text).toMatch(/^PATH_ESCAPES_WORKSPACE: .*\nhint: /);
    expect((await mcp.call('edit', { path: 'src/a.txt', old_string: 'nowhere', new_string: '' })).structured).toMatchObject({
      error: { code: 'NO_MATCH' },
    });
    expect((await mcp.call('bash', { command: 'true', cwd: 'a\0b' })).isError).toBe(true);
    expect((await mcp.call('bash', { command: 'echo fine' })).structured).toMatchObject({ outcome: 'exited', stdout: 'fine\n' });
  });
});

describe('a command', () => {
  test('that fails is an answer with its exit code and both outputs', async () => {
    const { isError, structured, text } = await mcp.call('bash', { command: 'echo out; echo err >&2; exit 3' });
    expect({ isError, ...structured }).toMatchObject({ isError: false, outcome: 'exited', exit_code: 3, stdout: 'out\n', stderr: 'err\n' });
    expect(text).toBe('out\n[stderr]\nerr\n[exit code 3]\n');
  });

  test('over its time is ended and says so', async () => {
    const { structured, text } = await mcp.call('bash', { command: 'echo up; sleep 600', timeout_ms: 300 });
    expect(structured).toMatchObject({ outcome: 'timedOut', exit_code: null });
    expect(text).toContain('timed out');
  });

  test('that a rule forbids is an error with rule and remedy', async () => {
    const { isError, structured } = await mcp.call('bash', { command: 'rm -rf /' });
    expect({ isError, ...structured }).toMatchObject({ isError: true, outcome: 'denied', rule: 'floor.recursiveDelete' });
  });

  test('tells its output as it comes, in order', async () => {
    const told: { progress: number; message?: string | undefined }[] = [];
    const command = 'echo first; read -r line < gate; echo second';
    await mcp.call('bash', { command: 'mkfifo gate' });
    const running = mcp.call('bash', { command }, { onprogress: (progress) => told.push(progress) });
    await eventually(
      () => told.some(({ message }) => message === 'first\n'),
      (seen) => seen,
    );
    await mcp.call('bash', { command: 'echo go > gate' });
    expect((await running).structured).toMatchObject({ stdout: 'first\nsecond\n' });
    expect(told.map(({ progress }) => progress)).toEqual(told.map(({ progress }) => progress).toSorted((a, b) => a - b));
  });

  test('that is cancelled is killed with everything it started', async () => {
    const abort = new AbortController();
    const options = { signal: abort.signal, onprogress: () => abort.abort() };
    await expect(mcp.call('bash', { command: 'echo up; (exec -a cancelled-child sleep 600) & wait' }, options)).rejects.toBeInstanceOf(
      Error,
    );
    const left = () => mcp.call('bash', { command: 'pgrep -fc "^cancelled-child"' });
    expect((await eventually(left, ({ text }) => text.startsWith('0'))).text).toMatch(/^0\n/);
  });

  test('in the background is looked at piece by piece and killed', async () => {
    await mcp.call('bash', { command: 'mkfifo gate2' });
    const begun = await mcp.call('bash', { command: 'echo one; read -r line < gate2; echo "$line"; sleep 600', run_in_background: true });
    const { id } = begun.structured as { id: string };
    expect(begun.structured).toMatchObject({ outcome: 'running' });
    let seen = (begun.structured as { stdout: string }).stdout;
    const look = async () => (seen += ((await mcp.call('bash_output', { id })).structured as { stdout: string }).stdout);
    await eventually(look, (text) => text.includes('one'));
    await mcp.call('bash', { command: 'echo two > gate2' });
    expect(await eventually(look, (text) => text.includes('two'))).toBe('one\ntwo\n');
    const killed = await eventually(
      () => mcp.call('kill', { id }),
      ({ structured }) => structured['outcome'] !== 'running',
    );
    expect(killed.structured).toEqual({ id, outcome: 'killed' });
    expect((await mcp.call('bash_output', { id })).structured).toMatchObject({ outcome: 'killed', stdout: '' });
    expect((await mcp.call('bash_output', { id: 'never-seen' })).structured).toMatchObject({ error: { code: 'EXEC_UNKNOWN' } });
  });
});

describe('what needs a confirmation', () => {
  test('is denied where the client can ask nobody', async () => {
    expect((await mcp.call('bash', { command: 'touch asked1' })).structured).toMatchObject({ outcome: 'denied' });
  });

  test('is asked through the client, once or for the session, and a no is a no', async () => {
    const asked: string[] = [];
    const answers = ['deny', 'decline', 'allow-once', 'allow-session'] as const;
    await using asking = await mcpOverHttp({
      http,
      token,
      decide: (message) => {
        asked.push(message);
        return answers[asked.length - 1] ?? 'deny';
      },
    });
    const outcomes: unknown[] = [];
    for (const _ of [...answers, 'not asked any more'])
      outcomes.push((await asking.call('bash', { command: 'touch asked2' })).structured['outcome']);
    expect(outcomes).toEqual(['denied', 'denied', 'exited', 'exited', 'exited']);
    expect(asked.length).toBe(4);
    expect(asked[0]).toContain('touch asked2');
    expect(asked[0]).toContain('touching is asked about');
  });
});

describe('over HTTP', () => {
  test('roots are not asked for, and the sandbox goes with the session', async () => {
    let rootsAsked = 0;
    const before = await sessions();
    const other = await mcpOverHttp({ http, token, onRoots: () => (rootsAsked += 1) });
    expect((await other.call('bash', { command: 'pwd' })).structured).toMatchObject({ stdout: '/workspace\n' });
    const [own] = (await sessions()).filter((name) => !before.includes(name));
    expect(own).toMatch(/^mcp-[0-9a-f]{16}$/);
    await other[Symbol.asyncDispose]();
    expect(await eventually(sessions, (names) => !names.includes(own ?? ''))).not.toContain(own);
    expect(rootsAsked).toBe(0);
  });

  test('a session that is named keeps its files; one that another controls is busy, and can be joined', async () => {
    const query = '?session=named';
    const first = await mcpOverHttp({ http, token, query });
    await first.call('write', { path: 'kept', content: 'x' });
    await using second = await mcpOverHttp({ http, token, query });
    expect((await second.call('bash', { command: 'true' })).structured).toMatchObject({ error: { code: 'SESSION_BUSY' } });
    await using joined = await mcpOverHttp({ http, token, query: `${query}&join=1` });
    expect((await joined.call('bash', { command: 'ls' })).structured).toMatchObject({ stdout: 'kept\n' });
    await first[Symbol.asyncDispose]();
    const again = await eventually(
      () => second.call('bash', { command: 'ls' }),
      ({ isError }) => !isError,
    );
    expect(again.structured).toMatchObject({ stdout: 'kept\n' });
  });

  const initialize = { jsonrpc: '2.0', id: 1, method: 'initialize', params: {} };
  const post = (headers: Record<string, string>, body: unknown = initialize, query = ''): Promise<Response> =>
    fetch(`${http}/mcp${query}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', ...headers },
      body: JSON.stringify(body),
    });

  test('a session is nobody else’s: another token of the same tenant does not find it', async () => {
    const { sessionId } = mcp.transport as { sessionId?: string };
    const foreign = { authorization: `Bearer ${await daemon.token('acme')}`, 'mcp-session-id': sessionId ?? '' };
    const list = { jsonrpc: '2.0', id: 2, method: 'tools/list' };
    expect((await post(foreign, list)).status).toBe(404);
    expect((await fetch(`${http}/mcp`, { method: 'DELETE', headers: foreign })).status).toBe(404);
    expect((await mcp.client.listTools()).tools.length).toBe(TOOLS.length);
  });

  test.each([
    ['no token', 401, () => post({})],
    ['a token that is none', 401, () => post({ authorization: 'Bearer x.y.z' })],
    ['a page of another origin', 403, () => post({ authorization: `Bearer ${token}`, origin: 'https://evil.example' })],
    ['a session that does not exist', 404, () => post({ authorization: `Bearer ${token}`, 'mcp-session-id': 'x' })],
    [
      'no session and no initialize',
      400,
      () => post({ authorization: `Bearer ${token}` }, { jsonrpc: '2.0', id: 1, method: 'tools/list' }),
    ],
    ['an option that does not exist', 400, () => post({ authorization: `Bearer ${token}` }, initialize, '?privileged=1')],
    ['a body of 5 MB', 413, () => post({ authorization: `Bearer ${token}` }, 'x'.repeat(5_000_000))],
  ])('%s is answered %i', async (_, status, call) => {
    expect((await call()).status).toBe(status);
  });

  test('a token of one session works in that one, and a read-only one only looks', async () => {
    await using bound = await mcpOverHttp({ http, token: await daemon.token('acme', { session: 'bound' }) });
    expect((await bound.call('bash', { command: 'echo here > file' })).isError).toBe(false);
    expect(await sessions()).toContain('bound');
    const reader = await daemon.token('acme', { session: 'bound', isReadOnly: true });
    await using looking = await mcpOverHttp({ http, token: reader, query: '?join=1' });
    expect((await looking.call('read', { path: 'file' })).structured).toMatchObject({ text: 'here' });
    expect((await looking.call('bash', { command: 'true' })).structured).toMatchObject({ error: { code: 'FORBIDDEN' } });
    expect((await looking.call('write', { path: 'file', content: '' })).structured).toMatchObject({ error: { code: 'FORBIDDEN' } });
  });

  test('a sandbox that was ended is opened again at the next call but one', async () => {
    await using ended = await mcpOverHttp({ http, token, query: '?session=ended' });
    await ended.call('write', { path: 'file', content: 'x' });
    const operator = await daemon.connect('acme', { token: await daemon.token('acme', { role: 'operator' }) });
    const info = (await operator.list()).find(({ session }) => session === 'ended');
    await operator.closeSandbox(info?.id ?? '');
    expect((await ended.call('bash', { command: 'ls' })).structured).toMatchObject({ error: { code: 'SESSION_EXPIRED' } });
    expect((await ended.call('bash', { command: 'ls' })).structured).toMatchObject({ stdout: 'file\n' });
  });
});

describe('over stdio', () => {
  test('cloister mcp serves one session, asks through its client, and closes the sandbox when its input ends', async () => {
    const asked: string[] = [];
    const decide = (message: string) => {
      asked.push(message);
      return 'allow-once' as const;
    };
    const stdio = await mcpOverStdio(daemon.url, token, ['--session', 'by-stdio'], { decide });
    expect((await stdio.client.listTools()).tools.length).toBe(TOOLS.length);
    expect((await stdio.call('bash', { command: 'touch asked3; ls' })).structured).toMatchObject({ outcome: 'exited', stdout: 'asked3\n' });
    expect(asked.length).toBe(1);
    expect(await sessions()).toContain('by-stdio');
    await stdio[Symbol.asyncDispose]();
    expect(await eventually(sessions, (names) => !names.includes('by-stdio'))).not.toContain('by-stdio');
    // A process that is compiled as it starts: on a busy machine that alone takes most of a minute.
  }, 240_000);
});
