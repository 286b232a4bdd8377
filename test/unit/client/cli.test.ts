// The verbs that need only a connection: what they print, where, and what they exit with.

import { mkdtemp, readFile, readlink, rm, stat, writeFile, mkdir, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { Command, CommanderError } from 'commander';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { addClientCommands } from '../../../client/cli/index.ts';
import { Cloister, type Sandbox } from '../../../client/index.ts';
import { ProtocolPeer } from '../../support/protocol-peer.ts';

let peer: ProtocolPeer;
let cloister: Cloister;
let sandbox: Sandbox;
let here: string;

beforeAll(async () => {
  peer = await ProtocolPeer.start();
  cloister = await Cloister.connect({ url: peer.url, token: peer.token });
  sandbox = await cloister.open({ session: 'open' });
  here = await mkdtemp(join(tmpdir(), 'client-cli-'));
});
afterAll(async () => {
  await cloister.close();
  await peer[Symbol.asyncDispose]();
  await rm(here, { recursive: true, force: true });
});

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

interface Surroundings {
  readonly stdin?: Readable & { isTTY?: boolean; setRawMode?: (isRaw: boolean) => void };
  readonly interruptAfterMs?: number;
  readonly url?: string;
}

async function cli(
  args: readonly string[],
  { stdin = Readable.from([]), interruptAfterMs, url = peer.url }: Surroundings = {},
): Promise<Ran> {
  const [out, err] = [new PassThrough({ highWaterMark: 1024 }), new PassThrough()];
  const texts = [out, err].map(async (stream) => {
    let text = '';
    for await (const part of stream) text += String(part);
    return text;
  });
  let code = 0;
  const program = new Command('cloister').option('--json').enablePositionalOptions().exitOverride();
  program.configureOutput({ writeOut: (text) => void out.write(text), writeErr: (text) => void err.write(text) });
  addClientCommands(program, {
    connect: () => Cloister.connect({ url, token: peer.token }),
    out,
    err,
    stdin,
    get json() {
      return program.opts<{ json?: boolean }>().json === true;
    },
    onSignal: (listener) => {
      const timer = interruptAfterMs === undefined ? undefined : setTimeout(listener, interruptAfterMs);
      return () => clearTimeout(timer);
    },
    exit: (given) => {
      code = given;
    },
  });
  await program.parseAsync(args, { from: 'user' }).catch((error: unknown) => {
    if (!(error instanceof CommanderError)) throw error;
    code = 2;
  });
  out.end();
  err.end();
  const [outText = '', errText = ''] = await Promise.all(texts);
  return { code, out: outText, err: errText };
}

describe('run', () => {
  test('passes both outputs through on their streams and exits with the code of the command', async () => {
    expect(await cli(['run', '--', 'sh', '-c', 'echo out; echo err >&2; exit 7'])).toEqual({ code: 7, out: 'out\n', err: 'err\n' });
  });

  test('passes bytes raw and many of them, as fast as they are taken', async () => {
    const { out, code } = await cli(['run', 'sh', '-c', 'printf "\\033[31m"; head -c 3000000 /dev/zero | tr "\\0" x']);
    expect([code, out.length, out.slice(0, 7)]).toEqual([0, 3_000_005, '\u001b[31mxx']);
  });

  test('gives piped input to the command', async () => {
    expect(await cli(['run', '--', 'wc', '-c'], { stdin: Readable.from([Buffer.from('12345')]) })).toMatchObject({ code: 0, out: '5\n' });
  });

  test('keeps a terminal as input for itself', async () => {
    const stdin = Object.assign(new PassThrough(), { isTTY: true });
    expect(await cli(['run', '--', 'cat'], { stdin })).toMatchObject({ code: 0, out: '' });
  });

  test('ends although its input does not', async () => {
    const stdin = new PassThrough();
    expect(await cli(['run', '--', 'echo', 'done'], { stdin })).toMatchObject({ code: 0, out: 'done\n' });
    expect(stdin.destroyed).toBe(true);
  });

  test('closes what it opened, or leaves it with --keep and says where', async () => {
    const before = (await cloister.list()).length;
    await cli(['run', '--', 'true']);
    expect((await cloister.list()).length).toBe(before);
    const { err } = await cli(['run', '--keep', '--', 'true']);
    const [, session = ''] = /session (run-[0-9a-f]+) is kept/.exec(err) ?? [];
    expect((await cloister.list()).map((info) => info.session)).toContain(session);
    expect(await cli(['kill', session])).toMatchObject({ code: 0 });
  });

  test('selects workspace-write for --allow, and the profile that is asked for', async () => {
    await cli(['run', '--keep', '--session', 'net', '--allow', 'pypi.org', '--allow', 'npmjs.org', '--', 'true']);
    await cli(['run', '--keep', '--session', 'ro', '--profile', 'readonly', '--', 'true']);
    const profiles = Object.fromEntries((await cloister.list()).map((info) => [info.session, info.profile]));
    expect(profiles).toMatchObject({ net: 'workspace-write', ro: 'readonly' });
  });

  test('over --timeout exits 124 and says why', async () => {
    expect(await cli(['run', '--timeout', '200ms', '--', 'sleep', '60'])).toEqual({
      code: 124,
      out: '',
      err: 'cloister: the command ran out of its time limit\n',
    });
  });

  test('interrupted kills the command, closes the sandbox and exits 130', async () => {
    const before = (await cloister.list()).length;
    expect(await cli(['run', '--', 'sleep', '60'], { interruptAfterMs: 300 })).toMatchObject({
      code: 130,
      err: 'cloister: the command was killed by caller\n',
    });
    expect((await cloister.list()).length).toBe(before);
  });

  test('with --json, before or after the verb, prints one value, the result', async () => {
    for (const args of [
      ['--json', 'run'],
      ['run', '--json'],
    ]) {
      const { code, out } = await cli([...args, '--', 'sh', '-c', 'echo out; exit 3']);
      expect(code).toBe(3);
      expect(JSON.parse(out)).toMatchObject({ outcome: 'exited', exitCode: 3, stdout: 'out\n' });
    }
  });

  test('that cannot connect is a failure of Cloister: 125, with code and hint', async () => {
    const { code, err } = await cli(['run', '--', 'true'], { url: 'ws://127.0.0.1:1' });
    expect(code).toBe(125);
    expect(err).toMatch(/^cloister: CONNECT_FAILED: Cannot connect .*\nhint: Check the address/);
  });

  test.each([
    [['run']],
    [['run', '--timeout', 'soon', '--', 'true']],
    [['run', '--no-such-flag', '--', 'true']],
    [['extend', 'open']],
    [['cp', 'a']],
  ])('wrong usage %j exits 2', async (args) => {
    expect((await cli(args)).code).toBe(2);
  });
});

describe('exec and shell', () => {
  test.each([[['exec', 'open', '--', 'sh', '-c', 'pwd; exit 4']], [['exec', 'open', 'sh', '-c', 'pwd; exit 4']]])(
    '%j runs in the open session and leaves it open',
    async (args) => {
      const { code, out } = await cli(args);
      expect(code).toBe(4);
      expect(out).toBe((await sandbox.exec('pwd')).stdout);
      expect((await sandbox.exec('true')).outcome).toBe('exited');
    },
  );

  test('a session that is not open is NOT_FOUND and is not made', async () => {
    const { code, err } = await cli(['exec', 'nobody', '--', 'true']);
    expect([code, err.split('\n')[0]]).toEqual([125, 'cloister: NOT_FOUND: Cannot find session nobody: none of this name or id is open']);
    expect((await cloister.list()).some(({ session }) => session === 'nobody')).toBe(false);
  });

  test('-t gives the command a terminal, in raw mode only while it runs', async () => {
    const modes: boolean[] = [];
    const stdin = Object.assign(new PassThrough(), { isTTY: true, setRawMode: (isRaw: boolean) => void modes.push(isRaw) });
    const { code, out } = await cli(['exec', '-t', 'open', '--', 'sh', '-c', 'test -t 0 && stty size']);
    expect(out).toContain('24 80');
    expect(code).toBe(0);
    stdin.write('echo typed-$((40 + 2)); exit 5\n');
    const shell = await cli(['shell', 'open'], { stdin });
    expect(shell.out).toContain('typed-42');
    expect(shell.code).toBe(5);
    expect(modes).toEqual([true, false]);
  });
});

describe('ps, kill, extend', () => {
  test('ps prints a table, or JSON', async () => {
    const { out } = await cli(['ps']);
    expect(out).toMatch(/^ID +TENANT +SESSION +STATE/);
    expect(out).toContain(sandbox.id);
    const listed = JSON.parse((await cli(['--json', 'ps'])).out) as { id: string }[];
    expect(listed.map(({ id }) => id)).toContain(sandbox.id);
  });

  test('kill ends a sandbox by id; an unknown one is an error', async () => {
    const { id } = await cloister.open({ session: 'to-kill' });
    expect(await cli(['kill', id])).toMatchObject({ code: 0, out: '' });
    expect(await cli(['kill', id])).toMatchObject({ code: 1 });
  });

  test('extend says until when', async () => {
    const { code, out } = await cli(['extend', 'open', '30m']);
    expect(code).toBe(0);
    expect(out).toMatch(/^sb_\w+ expires \d{4}-/);
  });
});

describe('cp', () => {
  test('copies a file there and back, mode and all', async () => {
    await writeFile(join(here, 'a.sh'), 'echo hello\n', { mode: 0o755 });
    expect(await cli(['cp', join(here, 'a.sh'), 'open:bin/a.sh'])).toEqual({ code: 0, out: '', err: '' });
    expect((await sandbox.exec(['bin/a.sh'])).outcome).toBe('exited');
    await cli(['cp', 'open:bin/a.sh', join(here, 'b.sh')]);
    expect(await readFile(join(here, 'b.sh'), 'utf8')).toBe('echo hello\n');
    expect((await stat(join(here, 'b.sh'))).mode & 0o777).toBe(0o755);
  });

  test('copies directories; into an existing one under their name', async () => {
    await mkdir(join(here, 'tree/sub'), { recursive: true });
    await writeFile(join(here, 'tree/sub/x'), 'x');
    await symlink('sub/x', join(here, 'tree/link'));
    await cli(['cp', join(here, 'tree'), 'open:copied']);
    expect(await sandbox.files.readlink('copied/link')).toBe('sub/x');
    await cli(['cp', join(here, 'tree'), 'open:copied']);
    expect(await sandbox.files.readText('copied/tree/sub/x')).toBe('x');
    const { err } = await cli(['cp', 'open:copied', join(here, 'back')]);
    expect(await readFile(join(here, 'back/sub/x'), 'utf8')).toBe('x');
    expect(err).toContain('skipped link');
    await expect(readlink(join(here, 'back/link'))).rejects.toThrow('ENOENT');
  });

  test('between two paths here is refused', async () => {
    const { code, err } = await cli(['cp', './a', './b']);
    expect(code).toBe(1);
    expect(err).toContain('exactly one of SRC and DST');
  });
});
