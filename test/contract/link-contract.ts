// What every cloister-init keeps to, seen from the daemon's half of the protocol. The fake and the real one pass it alike.

import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { describe, expect, test } from 'vitest';
import { SandboxFiles } from '../../daemon/files/sandbox-files.ts';
import type { ExitReport, OutputStream, StartCommand } from '../../daemon/link/messages.ts';
import type { SandboxLink } from '../../daemon/link/sandbox-link.ts';

export interface LinkHarness extends AsyncDisposable {
  /** Up. */
  readonly link: SandboxLink;
  /** Ends the connection; init comes back by itself. */
  cut(): void;
  /** False if the sandbox's loopback is not this host's. */
  readonly sharesLoopback: boolean;
}

interface Run {
  readonly number: number;
  readonly exit: Promise<ExitReport>;
  readonly pid: Promise<number>;
  text(stream: OutputStream): string;
  readonly bytes: () => number;
}

const COMMAND = { env: { PATH: '/usr/local/bin:/usr/bin:/bin' }, cwd: '/workspace', stdin: 'none', wallMs: 0, idleMs: 0, graceMs: 200 } as const;

/** Starts a command and keeps what it says; gives credit for all of it, unless told to hold it back. */
export function run(link: SandboxLink, number: number, argv: readonly string[], options: Partial<StartCommand> & { holdCredit?: boolean; onOutput?: (bytes: number) => void } = {}): Run {
  const { holdCredit, onOutput, ...command } = options;
  const output: Record<OutputStream, Buffer[]> = { stdout: [], stderr: [] };
  let bytesSeen = 0;
  let tellPid: (pid: number) => void = () => undefined;
  const pid = new Promise<number>((resolve) => {
    tellPid = resolve;
  });
  const exit = new Promise<ExitReport>((resolve, reject) => {
    link.start(number, { ...COMMAND, argv, ...command }, {
      started: (value) => tellPid(value),
      output: (offset, stream, bytes) => {
        output[stream].push(Buffer.from(bytes));
        bytesSeen = offset + bytes.length;
        if (holdCredit !== true) link.credit(number, bytesSeen);
        onOutput?.(bytesSeen);
      },
      exited: (report) => {
        link.exitAck(number);
        resolve(report);
      },
      stdinTaken: () => undefined,
      gone: () => undefined,
      resumed: () => 0,
      unknown: () => reject(new Error('init does not know it')),
      lost: (reason) => reject(new Error(reason)),
    });
  });
  exit.catch(() => undefined);
  return { number, exit, pid, text: (stream) => Buffer.concat(output[stream]).toString(), bytes: () => bytesSeen };
}

const exitCode = (report: ExitReport): number => (report.waitStatus >> 8) & 0xff;
const signalOf = (report: ExitReport): number => report.waitStatus & 0x7f;

export function linkContract(name: string, create: () => Promise<LinkHarness>): void {
  describe(`the link to ${name}`, () => {
    test('keeps stdout and stderr apart and reports the exit status', async () => {
      await using harness = await create();
      const ran = run(harness.link, 1, ['sh', '-c', 'echo out; echo err >&2; exit 7']);
      const report = await ran.exit;
      expect({ code: exitCode(report), reason: report.reason, out: ran.text('stdout'), err: ran.text('stderr') }).toEqual({ code: 7, reason: 'self', out: 'out\n', err: 'err\n' });
      expect(report.outputBytes).toBe(8);
      expect(report.stderrBytes).toBe(4);
      expect(await ran.pid).toBeGreaterThan(1);
    });

    test('passes arguments, environment and working directory as they are', async () => {
      await using harness = await create();
      await new SandboxFiles(harness.link).mkdir('sub');
      const ran = run(harness.link, 1, ['sh', '-c', 'printf "%s|" "$@" "$A"; basename "$PWD"', 'sh', 'a b', '', 'ü'], { env: { ...COMMAND.env, A: 'x=y' }, cwd: '/workspace/sub' });
      await ran.exit;
      expect(ran.text('stdout')).toBe('a b||ü|x=y|sub\n');
    });

    test.each([
      { claim: 'a command that is not there ends with ENOENT at exec', argv: ['/no/such/command'], cwd: '/workspace', stage: 'exec', error: 2 },
      { claim: 'a directory as command ends with EACCES at exec', argv: ['/tmp'], cwd: '/workspace', stage: 'exec', error: 13 },
      { claim: 'a working directory that is not there ends with ENOENT at cwd', argv: ['true'], cwd: '/workspace/none', stage: 'cwd', error: 2 },
    ])('$claim', async ({ argv, cwd, stage, error }) => {
      await using harness = await create();
      const report = await run(harness.link, 1, argv, { cwd }).exit;
      expect({ reason: report.reason, stage: report.stage, error: report.error }).toEqual({ reason: 'notStarted', stage, error });
    });

    test('ends a whole tree that ignores SIGTERM', async () => {
      await using harness = await create();
      const ran = run(harness.link, 1, ['sh', '-c', 'trap "" TERM; sleep 600 & echo ready; wait; sleep 600'], {
        onOutput: () => harness.link.kill(1, { mode: 'tree', signal: 15, graceMs: 100 }),
      });
      const report = await ran.exit;
      expect(report.reason).toBe('killed');
    });

    test('passes a signal on without recording a reason', async () => {
      await using harness = await create();
      const ran = run(harness.link, 1, ['sleep', '600'], {});
      await ran.pid;
      harness.link.kill(1, { mode: 'signal', signal: 2, graceMs: 0 });
      const report = await ran.exit;
      expect({ reason: report.reason, signal: signalOf(report) }).toEqual({ reason: 'self', signal: 2 });
    });

    test.each([
      { claim: 'holds the wall limit', limits: { wallMs: 200 }, script: 'while :; do echo x; sleep 0.02; done', reason: 'wall' },
      { claim: 'holds the idle limit, counted from the last output', limits: { idleMs: 300 }, script: 'echo x; sleep 0.1; echo y; sleep 600', reason: 'idle' },
    ])('$claim', async ({ limits, script, reason }) => {
      await using harness = await create();
      const report = await run(harness.link, 1, ['sh', '-c', script], limits).exit;
      expect(report.reason).toBe(reason);
    });

    test('feeds stdin beyond its window and closes it', async () => {
      await using harness = await create();
      const { link } = harness;
      const ran = run(link, 1, ['sh', '-c', 'wc -c'], { stdin: 'pipe' });
      let left = 300_000;
      while (left > 0) {
        const size = Math.min(link.stdinRoom(1), left);
        if (size > 0) link.stdin(1, Buffer.alloc(size, 'x'), false);
        else await new Promise((resolve) => setTimeout(resolve, 5));
        left -= size;
      }
      link.stdin(1, Buffer.alloc(0), true);
      await ran.exit;
      expect(ran.text('stdout').trim()).toBe('300000');
    });

    test('says that a command reads no more stdin', async () => {
      await using harness = await create();
      const ran = run(harness.link, 1, ['sh', '-c', 'exec <&-; echo closed; sleep 0.2'], { stdin: 'pipe', onOutput: () => harness.link.stdin(1, Buffer.from('late'), false) });
      expect((await ran.exit).reason).toBe('self');
      expect(harness.link.state).toBe('up');
    });

    test('stops a command whose output nobody credits, and goes on with credit', async () => {
      await using harness = await create();
      const ran = run(harness.link, 1, ['sh', '-c', 'head -c 1000000 /dev/zero'], { holdCredit: true });
      while (ran.bytes() < 262_144) await new Promise((resolve) => setTimeout(resolve, 10));
      expect(ran.bytes()).toBe(262_144);
      const timer = setInterval(() => harness.link.credit(1, ran.bytes()), 5);
      const report = await ran.exit.finally(() => clearInterval(timer));
      expect(report.outputBytes).toBe(1_000_000);
    });

    test('loses and doubles no output over reconnects', async () => {
      await using harness = await create();
      const ran = run(harness.link, 1, ['sh', '-c', 'i=0; while [ $i -lt 400 ]; do echo "line $i"; i=$((i+1)); [ $((i % 40)) -eq 0 ] && sleep 0.05; done; exit 3']);
      const timer = setInterval(() => harness.cut(), 70);
      const report = await ran.exit.finally(() => clearInterval(timer));
      expect(exitCode(report)).toBe(3);
      expect(ran.text('stdout')).toBe(Array.from({ length: 400 }, (_, index) => `line ${index}\n`).join(''));
    });

    test('loses and doubles no stdin over a reconnect', async () => {
      await using harness = await create();
      const { link } = harness;
      const ran = run(link, 1, ['sh', '-c', 'cat'], { stdin: 'pipe' });
      await ran.pid;
      let sent = '';
      for (let index = 0; index < 30; index += 1) {
        const line = `line ${index}\n`;
        while (link.stdinRoom(1) < line.length) await new Promise((resolve) => setTimeout(resolve, 5));
        link.stdin(1, Buffer.from(line), false);
        sent += line;
        if (index % 10 === 5) harness.cut();
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      link.stdin(1, Buffer.alloc(0), true);
      await ran.exit;
      expect(ran.text('stdout')).toBe(sent);
    });

    test('runs commands side by side', async () => {
      await using harness = await create();
      const runs = Array.from({ length: 8 }, (_, index) => run(harness.link, index + 1, ['sh', '-c', `echo ${index}; exit ${index}`]));
      const reports = await Promise.all(runs.map((ran) => ran.exit));
      expect(reports.map(exitCode)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
      expect(runs.map((ran) => ran.text('stdout').trim())).toEqual(['0', '1', '2', '3', '4', '5', '6', '7']);
    });

    test('answers pings and reports on itself', async () => {
      await using harness = await create();
      expect(await harness.link.ping()).toBeGreaterThanOrEqual(0);
      const report = await harness.link.report();
      expect(report.pid).toBe(1);
      expect(report.procStatus).toContain('NoNewPrivs:');
    });

    test('stops and starts its clocks', async () => {
      await using harness = await create();
      await harness.link.stopClocks();
      harness.link.startClocks();
      expect(await harness.link.ping()).toBeGreaterThanOrEqual(0);
    });

    test('refuses a dial to a port where nobody listens', async () => {
      await using harness = await create();
      await expect(harness.link.dial(1)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    });

    test('carries a dialled stream both ways and its half-closes', async () => {
      await using harness = await create();
      if (!harness.sharesLoopback) return;
      const server = createServer({ allowHalfOpen: true }, (socket) => socket.pipe(socket));
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      try {
        const stream = await harness.link.dial((server.address() as AddressInfo).port);
        const sent = Buffer.alloc(1_000_000, 'abc');
        stream.end(sent);
        const parts: Buffer[] = [];
        for await (const part of stream as AsyncIterable<Buffer>) parts.push(part);
        expect(Buffer.concat(parts).equals(sent)).toBe(true);
      } finally {
        server.close();
      }
    });

    fileContract(create);
  });
}

function fileContract(create: () => Promise<LinkHarness>): void {
  const open = async (): Promise<{ files: SandboxFiles } & AsyncDisposable> => {
    const harness = await create();
    return { files: new SandboxFiles(harness.link), [Symbol.asyncDispose]: () => harness[Symbol.asyncDispose]() };
  };
  const text = async (files: SandboxFiles, path: string): Promise<string> => Buffer.from(await files.readAll(path)).toString();

  test('a file that is written is read back, in parts too', async () => {
    await using opened = await open();
    const { files } = opened;
    const stat = await files.write('a/b/c.txt', Buffer.from('hello world'), { mode: 0o600 });
    expect({ kind: stat.kind, size: stat.size, mode: stat.mode & 0o777 }).toEqual({ kind: 'file', size: 11, mode: 0o600 });
    expect(await text(files, '/workspace/a/b/../b/c.txt')).toBe('hello world');
    expect(Buffer.from(await files.readAll('a/b/c.txt', { offset: 6, length: 3 })).toString()).toBe('wor');
    await files.write('a/b/c.txt', Buffer.from('!'), { append: true });
    expect(await text(files, 'a/b/c.txt')).toBe('hello world!');
  });

  test('megabytes go both ways under the window', async () => {
    await using opened = await open();
    const { files } = opened;
    const parts = Array.from({ length: 50 }, (_, index) => Buffer.alloc(70_000, index));
    async function* source(): AsyncGenerator<Uint8Array> {
      yield* parts;
    }
    await files.write('big', source());
    const read = await files.readAll('big');
    expect(Buffer.from(read).equals(Buffer.concat(parts))).toBe(true);
    const { sha256, stat } = await files.hash('big');
    expect(sha256).toMatch(/^[0-9a-f]{64}$/);
    expect(stat.size).toBe(3_500_000);
  });

  test('a write whose source fails leaves no trace', async () => {
    await using opened = await open();
    const { files } = opened;
    await files.write('kept', Buffer.from('old'));
    async function* source(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('new');
      throw new Error('source broke');
    }
    await expect(files.write('kept', source())).rejects.toThrow('source broke');
    expect(await text(files, 'kept')).toBe('old');
    expect((await files.list('.')).entries.map((entry) => entry.path)).toEqual(['kept']);
  });

  test('a read that is left early costs nothing later', async () => {
    await using opened = await open();
    const { files } = opened;
    await files.write('big', Buffer.alloc(2_000_000));
    for (let round = 0; round < 20; round += 1) for await (const part of files.read('big')) if (part.byteLength > 0) break;
    expect((await files.stat('big')).size).toBe(2_000_000);
  });

  test('ifMatch and exclusive guard a write', async () => {
    await using opened = await open();
    const { files } = opened;
    await files.write('f', Buffer.from('one'));
    const { sha256 } = await files.hash('f');
    await files.write('f', Buffer.from('two'), { ifMatch: sha256 });
    await expect(files.write('f', Buffer.from('three'), { ifMatch: sha256 })).rejects.toMatchObject({ code: 'NO_MATCH' });
    await expect(files.write('f', Buffer.from('x'), { exclusive: true })).rejects.toMatchObject({ code: 'FILE_EXISTS' });
    expect(await text(files, 'f')).toBe('two');
  });

  test('a listing is sorted, bounded, and names symlink targets', async () => {
    await using opened = await open();
    const { files } = opened;
    for (const path of ['d/z', 'd/y/x', 'b', 'a']) await files.write(path, Buffer.from(path));
    await files.symlink('link', 'd/z');
    const flat = await files.list('.');
    expect(flat.entries.map((entry) => [entry.path, entry.kind])).toEqual([['a', 'file'], ['b', 'file'], ['d', 'directory'], ['link', 'symlink']]);
    expect(flat.entries.at(-1)?.symlinkTarget).toBe('d/z');
    const deep = await files.list('', { recursive: true }).catch((error: { code: string }) => error.code);
    expect(deep).toBe('INVALID_REQUEST');
    expect((await files.list('/workspace', { recursive: true })).entries.map((entry) => entry.path)).toEqual(['a', 'b', 'd', 'd/y', 'd/y/x', 'd/z', 'link']);
    expect(await files.list('.', { recursive: true, limit: 2 })).toMatchObject({ truncated: true });
  });

  test('files are moved, copied, linked, chmodded and removed', async () => {
    await using opened = await open();
    const { files } = opened;
    await files.mkdir('dir/sub');
    await files.write('dir/f', Buffer.from('content'));
    await files.copy('dir', 'copy', { recursive: true });
    await files.move('dir/f', 'new/place');
    await files.chmod('new/place', 0o640);
    expect((await files.stat('new/place')).mode & 0o777).toBe(0o640);
    await files.symlink('l', 'new/place');
    expect(await files.readlink('l')).toBe('new/place');
    expect((await files.stat('l', { followSymlink: false })).kind).toBe('symlink');
    expect(await text(files, 'l')).toBe('content');
    expect(await text(files, 'copy/f')).toBe('content');
    await expect(files.remove('copy')).rejects.toMatchObject({ code: 'IS_DIRECTORY' });
    await files.remove('copy', { recursive: true });
    expect([await files.exists('copy'), await files.exists('new/place'), await files.exists('new/place/below')]).toEqual([false, true, false]);
    await expect(files.move('new/place', 'l')).rejects.toMatchObject({ code: 'FILE_EXISTS' });
    await files.remove('gone', { force: true });
  });

  test.each([
    { claim: 'a missing file', path: 'none', code: 'FILE_NOT_FOUND' },
    { claim: 'a directory', path: 'dir', code: 'IS_DIRECTORY' },
    { claim: 'a path below a file', path: 'file/below', code: 'NOT_DIRECTORY' },
    { claim: 'a path that leads out by ..', path: 'dir/../../etc/passwd', code: 'PATH_ESCAPES_WORKSPACE' },
    { claim: 'an absolute path elsewhere', path: '/etc/passwd', code: 'PATH_ESCAPES_WORKSPACE' },
    { claim: 'a symlink that leads out', path: 'out', code: 'PATH_ESCAPES_WORKSPACE' },
    { claim: 'a file below a symlink that leads out', path: 'outdir/passwd', code: 'PATH_ESCAPES_WORKSPACE' },
    { claim: 'a FIFO', path: 'fifo', code: 'NOT_REGULAR_FILE' },
    { claim: 'a path with a NUL byte', path: 'a\0b', code: 'INVALID_REQUEST' },
  ])('reading $claim is $code', async ({ path, code }) => {
    await using harness = await create();
    const files = new SandboxFiles(harness.link);
    await files.mkdir('dir');
    await files.write('file', Buffer.from('x'));
    await run(harness.link, 1, ['sh', '-c', 'ln -s /etc/passwd out; ln -s /etc outdir; mkfifo fifo']).exit;
    await expect(files.readAll(path)).rejects.toMatchObject({ code });
  });

  test('the workspace itself is not removed', async () => {
    await using opened = await open();
    await expect(opened.files.remove('.', { recursive: true })).rejects.toMatchObject({ code: 'INVALID_REQUEST' });
  });
}
