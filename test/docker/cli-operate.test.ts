// What operators type, against a daemon with something to see: in this process with streams that stand in for a terminal, and
// in a real one for what draws.

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Sandbox } from '../../client/index.ts';
import { runCli } from '../../daemon/cli/program.ts';
import { createLog } from '../../daemon/observe/log.ts';
import { eventually } from '../support/eventually.ts';
import { inHostTerminal, type TerminalStep } from '../support/host-terminal.ts';
import { startTestDaemon, type TestDaemon } from '../support/test-daemon.ts';

const PACKAGE_ROOT = join(import.meta.dirname, '../..');

let daemon: TestDaemon;
let sandbox: Sandbox;
let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'cl-tco-'));
  daemon = await startTestDaemon();
  sandbox = await (await daemon.connect('acme')).open({ session: 'demo', labels: { channel: 'canary' } });
  await sandbox.exec(`printf 'one\\n\\033[31mtwo\\n'; exit 3`, { id: 'first' });
  await sandbox.exec(['echo', 'third'], { id: 'second' });
});
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  await rm(directory, { recursive: true });
});

interface Typed {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Types a command line; the result of `start` ends with it, `interrupt` is Ctrl-C. */
function start(args: readonly string[], options: { readonly columns?: number; readonly token?: string } = {}) {
  const streams = { stdin: new PassThrough(), out: new PassThrough(), err: new PassThrough() };
  const said = { out: '', err: '' };
  for (const name of ['out', 'err'] as const) streams[name].on('data', (part: Buffer) => (said[name] += part.toString()));
  const { columns } = options;
  const signals = new Set<(signal: NodeJS.Signals) => void>();
  const ended = runCli(args, {
    env: {
      CLOISTER_STATE_DIR: daemon.stateDir,
      ...(options.token === undefined ? {} : { CLOISTER_URL: daemon.url, CLOISTER_TOKEN: options.token }),
    },
    version: '0.0.0-test',
    packageRoot: PACKAGE_ROOT,
    platform: 'linux',
    arch: process.arch,
    isRoot: true,
    stdin: streams.stdin as unknown as NodeJS.ReadStream,
    out: Object.assign(streams.out, columns === undefined ? {} : { isTTY: true, columns, rows: 24 }) as unknown as NodeJS.WriteStream,
    err: streams.err as unknown as NodeJS.WriteStream,
    createLog: () => createLog({ level: 'silent', destination: process.stderr }),
    onSignal: (listener) => {
      signals.add(listener);
      return () => void signals.delete(listener);
    },
    onHangup: () => () => undefined,
  }).then((code): Typed => ({ code, ...said }));
  return { ended, said, interrupt: () => [...signals].forEach((listener) => listener('SIGINT')) };
}

const type = (args: readonly string[], options: { readonly columns?: number; readonly token?: string } = {}): Promise<Typed> =>
  start(args, options).ended;

describe('ps', () => {
  test('finds by label and state, and says so when there is none', async () => {
    expect((await type(['ps', '--label', 'channel=canary'])).out).toContain(sandbox.id);
    expect((await type(['ps', '--label', 'channel=stable', '--json'])).out).toBe('[]\n');
    expect((await type(['ps', '--state', 'paused'])).out).toBe('ID  TENANT  SESSION  STATE  PROFILE  IMAGE  EXECS  AGE  EXPIRES\n');
  });

  test('fits the terminal', async () => {
    const { out } = await type(['ps'], { columns: 70 });
    expect(Math.max(...out.split('\n').map((line) => line.length))).toBeLessThanOrEqual(70);
    expect(out).toContain('…');
  });
});

describe('usage errors exit 2 and say what helps', () => {
  test.each<[readonly string[], string]>([
    [['inspct'], 'Did you mean inspect?'],
    [['ps', '--state', 'asleep'], 'Must be one of starting, running, paused'],
    [['ps', '--label', 'canary'], 'Write it as NAME=VALUE.'],
    [['logs'], "missing required argument 'id'"],
    [['top', '--interval', '2'], 'Write it as 500ms, 60s'],
    [['completion', 'tcsh'], 'Allowed choices are bash, zsh, fish'],
  ])('%j', async (args, expected) => {
    const { code, err, out } = await type(args);
    expect([code, out]).toEqual([2, '']);
    expect(err).toContain(expected);
    expect(err).toContain('--help');
  });
});

describe('inspect', () => {
  test('tells everything about one, by name, and as one value', async () => {
    expect((await type(['inspect', 'demo'])).out).toMatch(/^id: sb_.*\n(.*\n)*usage:(.*\n)*receipt:(.*\n)* {2}noNewPrivs: true\n/);
    const value = JSON.parse((await type(['inspect', sandbox.id, '--json'])).out) as { receipt: unknown };
    expect(value.receipt).toEqual(sandbox.receipt);
    expect(await type(['inspect', 'nothing'])).toMatchObject({ code: 1, err: expect.stringContaining('cloister ps') as string });
  });

  test('--verify holds for what the daemon signed, from its records or a file, and not for what was changed', async () => {
    const file = join(directory, 'receipt.json');
    expect((await type(['inspect', 'demo', '--verify'])).out).toContain('signed by this daemon');
    await writeFile(file, JSON.stringify({ receipt: sandbox.receipt }));
    expect((await type(['inspect', file, '--verify'])).code).toBe(0);
    await writeFile(file, JSON.stringify({ ...sandbox.receipt, noNewPrivs: false }));
    expect(await type(['inspect', file, '--verify'])).toMatchObject({ code: 1, out: expect.stringContaining('NOT signed') as string });
  });
});

describe('logs', () => {
  const LINES = [
    "[first] $ printf 'one\\n\\033[31mtwo\\n'; exit 3",
    '[first] one',
    '[first] \\x1b[31mtwo',
    /^\[first\] exited 3 after \d+\.\d\d s$/,
    '[second] $ echo third',
    '[second] third',
  ];
  const expectLines = (out: string): void => {
    const lines = out.split('\n');
    for (const [index, expected] of LINES.entries())
      if (typeof expected === 'string') expect(lines[index]).toBe(expected);
      else expect(lines[index]).toMatch(expected);
  };

  test('shows each command with its output and end, and drives no terminal', async () => {
    expectLines((await type(['logs', 'demo'])).out);
    const all = JSON.parse((await type(['logs', 'demo', '--json'])).out) as { id: string; result: { exitCode: number } }[];
    expect(all.map(({ id, result }) => [id, result.exitCode])).toEqual([
      ['first', 3],
      ['second', 0],
    ]);
  });

  test('--follow goes on with commands that come, until Ctrl-C, and harms none', async () => {
    const following = start(['logs', 'demo', '--follow']);
    await eventually(
      () => following.said.out,
      (out) => out.includes('[second] exited'),
    );
    const later = sandbox.exec('echo began; read line; echo "$line"', { id: 'later', stdin: true });
    await eventually(
      () => following.said.out,
      (out) => out.includes('[later] began'),
    );
    following.interrupt();
    expect((await following.ended).code).toBe(0);
    await later.write('still here\n');
    expect((await later).stdout).toBe('began\nstill here\n');
  });

  test('--cast writes a recording, --jsonl the calls', async () => {
    const file = join(directory, 'demo.cast');
    expect(await type(['logs', 'demo', '--cast', file])).toMatchObject({ code: 0, out: '' });
    const [header, ...events] = (await readFile(file, 'utf8'))
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown);
    expect(header).toMatchObject({ version: 2, width: 80, height: 24 });
    const pieces = events as [number, string, string][];
    expect(pieces.map(([, , text]) => text).join('')).toContain('one\r\n\u001b[31mtwo\r\n$ echo third\r\nthird\r\n');
    expect(pieces.map(([at]) => at)).toEqual([...pieces.map(([at]) => at)].sort((a, b) => a - b));
    const calls = (await type(['logs', 'demo', '--jsonl'])).out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { kind: string });
    expect(calls.map(({ kind }) => kind)).toEqual(expect.arrayContaining(['sandbox.open', 'exec.start', 'exec.end']));
  });

  test('an observer may read them', async () => {
    expectLines((await type(['logs', 'demo'], { token: await daemon.token('acme', { role: 'observer' }) })).out);
  });
});

describe('in a real terminal', () => {
  const env = (): NodeJS.ProcessEnv => ({ PATH: process.env['PATH'], TERM: 'xterm-256color', CLOISTER_STATE_DIR: daemon.stateDir });
  const run = (args: readonly string[], steps: readonly TerminalStep[]) =>
    inHostTerminal([process.execPath, '--import', 'tsx', join(PACKAGE_ROOT, 'daemon', 'main.ts'), ...args], steps, {
      cwd: PACKAGE_ROOT,
      env: env(),
    });

  test('top draws what lives, again and again and in the size there is, and q leaves the screen as it was', async () => {
    const { screen, code } = await run(
      ['top', '--interval', '200ms'],
      [
        ['sb_[a-z2-7]{20}', 'RESIZE'],
        ['AGE.*sb_[a-z2-7]{20}.*AGE.*sb_[a-z2-7]', 'q'],
      ],
    );
    expect(code).toBe(0);
    expect(screen.startsWith('\u001b[?1049h\u001b[?25l')).toBe(true);
    expect(screen.endsWith('\u001b[?25h\u001b[?1049l')).toBe(true);
    expect(screen).toContain('1 sandboxes of 500');
    expect(screen).toContain('\u001b[1mID');
  });

  test('cp tells how far it is, and leaves nothing of that behind', async () => {
    const file = join(directory, 'big.bin');
    await writeFile(file, Buffer.alloc(8 * 1024 * 1024, 7));
    const { screen, code } = await run(['cp', file, 'demo:big.bin'], []);
    expect(code).toBe(0);
    expect(screen.startsWith('\r\u001b[K0 files, ')).toBe(true);
    expect(screen).toMatch(/0 files, [\d.]+ [KM]iB/);
    expect(screen.endsWith('\r\u001b[K')).toBe(true);
    expect((await sandbox.files.stat('big.bin')).size).toBe(8 * 1024 * 1024);
  });
});
