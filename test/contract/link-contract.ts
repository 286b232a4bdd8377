// What every cloister-init keeps to, seen from the daemon's half of the protocol. The fake and the real one pass it alike.

import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { describe, expect, test } from 'vitest';
import { WINDOW_BYTES } from '../../daemon/link/frames.ts';
import { SandboxFiles } from '../../daemon/files/sandbox-files.ts';
import type { ExitReport } from '../../daemon/link/messages.ts';
import { linkFileContract } from './link-file-contract.ts';
import { COMMAND, run } from './link-run.ts';
import type { LinkHarness } from './link-run.ts';

const exitCode = (report: ExitReport): number => (report.waitStatus >> 8) & 0xff;
const signalOf = (report: ExitReport): number => report.waitStatus & 0x7f;

export function linkContract(name: string, create: () => Promise<LinkHarness>): void {
  describe(`the link to ${name}`, () => {
    test('keeps stdout and stderr apart and reports the exit status', async () => {
      await using harness = await create();
      const ran = run(harness.link, 1, ['sh', '-c', 'echo out; echo err >&2; exit 7']);
      const report = await ran.exit;
      expect({ code: exitCode(report), reason: report.reason, out: ran.text('stdout'), err: ran.text('stderr') }).toEqual({
        code: 7,
        reason: 'self',
        out: 'out\n',
        err: 'err\n',
      });
      expect(report.outputBytes).toBe(8);
      expect(report.stderrBytes).toBe(4);
      expect(await ran.pid).toBeGreaterThan(1);
    });

    test('passes arguments, environment and working directory as they are', async () => {
      await using harness = await create();
      await new SandboxFiles(harness.link).mkdir('sub');
      const ran = run(harness.link, 1, ['sh', '-c', 'printf "%s|" "$@" "$A"; basename "$PWD"', 'sh', 'a b', '', 'ü'], {
        env: { ...COMMAND.env, A: 'x=y' },
        cwd: '/workspace/sub',
      });
      await ran.exit;
      expect(ran.text('stdout')).toBe('a b||ü|x=y|sub\n');
    });

    test.each([
      {
        claim: 'a command that is not there ends with ENOENT at exec',
        argv: ['/no/such/command'],
        cwd: '/workspace',
        stage: 'exec',
        error: 2,
      },
      { claim: 'a directory as command ends with EACCES at exec', argv: ['/tmp'], cwd: '/workspace', stage: 'exec', error: 13 },
      {
        claim: 'a working directory that is not there ends with ENOENT at cwd',
        argv: ['true'],
        cwd: '/workspace/none',
        stage: 'cwd',
        error: 2,
      },
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
      {
        claim: 'holds the idle limit, counted from the last output',
        limits: { idleMs: 300 },
        script: 'echo x; sleep 0.1; echo y; sleep 600',
        reason: 'idle',
      },
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
      const ran = run(harness.link, 1, ['sh', '-c', 'exec <&-; echo closed; sleep 0.2'], {
        stdin: 'pipe',
        onOutput: () => harness.link.stdin(1, Buffer.from('late'), false),
      });
      expect((await ran.exit).reason).toBe('self');
      expect(harness.link.state).toBe('up');
    });

    test('stops a command whose output nobody credits, and goes on with credit', async () => {
      await using harness = await create();
      const ran = run(harness.link, 1, ['sh', '-c', 'head -c 2000000 /dev/zero'], { holdCredit: true });
      while (ran.bytes() < WINDOW_BYTES) await new Promise((resolve) => setTimeout(resolve, 10));
      expect(ran.bytes()).toBe(WINDOW_BYTES);
      const timer = setInterval(() => harness.link.credit(1, ran.bytes()), 5);
      const report = await ran.exit.finally(() => clearInterval(timer));
      expect(report.outputBytes).toBe(2_000_000);
    });

    test('loses and doubles no output over reconnects', async () => {
      await using harness = await create();
      const ran = run(harness.link, 1, [
        'sh',
        '-c',
        'i=0; while [ $i -lt 400 ]; do echo "line $i"; i=$((i+1)); [ $((i % 40)) -eq 0 ] && sleep 0.05; done; exit 3',
      ]);
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

    linkFileContract(create);
  });
}
