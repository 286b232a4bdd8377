// The binary as users run it: output on the right stream, the right exit code, nothing left behind.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Sandbox } from '../../client/index.ts';
import { eventually } from '../support/eventually.ts';
import { loopDevicesUnder, mountsUnder, processesWith } from '../support/host-view.ts';
import { engineSocket, startTestDaemon, type TestDaemon } from '../support/test-daemon.ts';

const PACKAGE_ROOT = join(import.meta.dirname, '../..');

interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

let daemon: TestDaemon;
let sandbox: Sandbox;
let access: Record<string, string>;

beforeAll(async () => {
  daemon = await startTestDaemon();
  sandbox = await (await daemon.connect('acme')).open({ session: 'shared' });
  access = { CLOISTER_URL: daemon.url, CLOISTER_TOKEN: await daemon.token('acme') };
});
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
});

function start(args: readonly string[], env: Record<string, string> = access) {
  const clean = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('CLOISTER_')));
  const child = spawn(process.execPath, ['--import', 'tsx', join(PACKAGE_ROOT, 'daemon', 'main.ts'), ...args], {
    cwd: PACKAGE_ROOT,
    env: { ...clean, ...env },
  });
  const ended = Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]).then(
    ([out, err, [code]]): Ran => ({ out, err, code: code as number | null }),
  );
  return { child, ended };
}

async function run(
  args: readonly string[],
  options: { readonly stdin?: string; readonly env?: Record<string, string> } = {},
): Promise<Ran> {
  const { child, ended } = start(args, options.env);
  child.stdin.on('error', () => undefined);
  child.stdin.end(options.stdin ?? '');
  return ended;
}

describe('run', () => {
  test.each<[string, readonly string[], Partial<Ran>, string?]>([
    [
      'prints both outputs on the right streams and exits as the command did',
      ['run', '--', 'sh', '-c', 'echo out; echo err >&2; exit 7'],
      { code: 7, out: 'out\n', err: 'err\n' },
    ],
    ['passes stdin through', ['run', '--', 'tr', 'a-z', 'A-Z'], { code: 0, out: 'PIPED\n', err: '' }, 'piped\n'],
    ['exits 124 over its time limit', ['run', '--timeout', '500ms', '--', 'sleep', '600'], { code: 124 }],
    [
      'exits 125 when Cloister refuses',
      ['run', '--image', 'unknown', '--', 'true'],
      { code: 125, err: expect.stringContaining('IMAGE_NOT_ALLOWED') as string },
    ],
  ])('%s', async (_, args, expected, stdin) => {
    expect(await run(args, { stdin: stdin ?? '' })).toMatchObject(expected);
    expect((await daemon.containers()).length).toBe(1);
  });

  test('ends its command and its sandbox on Ctrl-C, with 130', async () => {
    const { child, ended } = start(['run', '--', 'sh', '-c', 'echo up; sleep 600']);
    await once(child.stdout, 'readable');
    child.kill('SIGINT');
    expect(await ended).toMatchObject({ code: 130, out: 'up\n' });
    expect(
      await eventually(
        () => daemon.containers(),
        (all) => all.length === 1,
      ),
    ).toHaveLength(1);
  });

  test('without a daemon works on a state directory of its own and leaves nothing running', async () => {
    const stateDir = await mkdtemp(join(tmpdir(), 'cl-tc-'));
    const env = {
      CLOISTER_STATE_DIR: stateDir,
      CLOISTER_ENGINE_SOCKET_PATH: engineSocket(),
      CLOISTER_WORKSPACE_POOL_BYTES: String(4 * 1024 ** 3),
    };
    try {
      expect(await run(['run', '--', 'sh', '-c', 'echo out; echo err >&2; exit 7'], { env })).toMatchObject({
        code: 7,
        out: 'out\n',
        err: 'err\n',
      });
      expect([await mountsUnder(stateDir), await loopDevicesUnder(stateDir)]).toEqual([[], []]);
    } finally {
      await rm(stateDir, { recursive: true, force: true });
    }
  });
});

describe('with a session that is open', () => {
  test('exec runs beside its controller', async () => {
    await sandbox.files.write('file.txt', 'shared\n');
    expect(await run(['exec', 'shared', '--', 'cat', 'file.txt'])).toMatchObject({ code: 0, out: 'shared\n', err: '' });
    expect((await sandbox.exec('echo still mine')).stdout).toBe('still mine\n');
  });

  test('ps lists it, and --json gives one value', async () => {
    expect((await run(['ps'])).out).toContain('shared');
    const listed = JSON.parse((await run(['--json', 'ps'])).out) as unknown;
    expect(JSON.stringify(listed)).toContain(sandbox.id);
  });

  test('a command whose exec was killed waits for its grace, and its session can find and end it', async () => {
    const { child, ended } = start(['exec', 'shared', '--', 'bash', '-c', 'echo up; exec -a cli-orphan sleep 600']);
    await once(child.stdout, 'readable');
    child.kill('SIGKILL');
    await ended;
    expect((await processesWith(daemon.driver, sandbox.id, 'cli-orphan')).length).toBe(1);
    for (const { id, command } of await sandbox.execs())
      if (JSON.stringify(command).includes('cli-orphan')) await sandbox.attach(id).kill();
    expect(
      await eventually(
        () => processesWith(daemon.driver, sandbox.id, 'cli-orphan'),
        (all) => all.length === 0,
      ),
    ).toEqual([]);
  });
});

describe('token create', () => {
  test('works offline on the state directory, and the daemon takes the token', async () => {
    const created = await run(['token', 'create', '--tenant', 'globex', '--ttl', '1h', '--state-dir', daemon.stateDir], { env: {} });
    expect(created).toMatchObject({ code: 0, err: '' });
    const listed = await run(['--json', 'ps'], { env: { CLOISTER_URL: daemon.url, CLOISTER_TOKEN: created.out.trim() } });
    expect(listed.code).toBe(0);
    expect(listed.out).not.toContain(sandbox.id);
  });

  test('refuses a token of nobody', async () => {
    expect(await run(['token', 'create', '--state-dir', daemon.stateDir], { env: {} })).toMatchObject({
      code: 125,
      out: '',
      err: expect.stringContaining('it needs a tenant') as string,
    });
  });
});

test.each<[string, readonly string[], Record<string, string>, string]>([
  ['nobody listens', ['ps'], { CLOISTER_URL: 'ws://127.0.0.1:9', CLOISTER_TOKEN: 'x' }, 'CONNECT_FAILED'],
  ['the token is wrong', ['ps'], { CLOISTER_TOKEN: 'wrong' }, 'UNAUTHENTICATED'],
  ['a configuration value is wrong', ['serve', '--listen', 'nowhere'], {}, 'listen'],
])('when %s, the reason is on stderr and stdout is empty', async (_, args, env, reason) => {
  const ran = await run(args, { env: { ...access, ...env, ...(args[0] === 'serve' ? { CLOISTER_URL: '', CLOISTER_TOKEN: '' } : {}) } });
  expect(ran).toMatchObject({ out: '', err: expect.stringContaining(reason) as string });
  expect(ran.code).toBeGreaterThan(0);
});
