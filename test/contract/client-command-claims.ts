// What the client library promises of one command: how it starts, what it is fed, how it ends.

import { createHash, randomBytes } from 'node:crypto';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Sandbox } from '../../client/index.ts';
import { errorOf, MIB, type ClientSubject } from './client-subject.ts';

export function commandClaims(subject: ClientSubject): void {
  let sandbox: Sandbox;

  beforeAll(() => {
    ({ sandbox } = subject);
  });

  describe('a command', () => {
    test('that ends by itself gives its exit code and both outputs, and never throws for it', async () => {
      const result = await sandbox.exec('echo out; echo err >&2; exit 7');
      expect(result).toMatchObject({ outcome: 'exited', exitCode: 7, signal: null, stdout: 'out\n', stderr: 'err\n' });
      expect(result.nextOffset).toBe(8);
    });

    test('given as an array is argv: nothing is expanded', async () => {
      expect((await sandbox.exec(['printf', '%s|', 'a b', '$HOME', '*', ''])).stdout).toBe('a b|$HOME|*||');
    });

    test('runs in cwd with the given environment', async () => {
      await sandbox.files.mkdir('deep/er');
      expect((await sandbox.exec('basename "$PWD"; echo "$GREETING"', { cwd: 'deep/er', env: { GREETING: 'hé llo' } })).stdout).toBe(
        'er\nhé llo\n',
      );
    });

    test('that does not exist ends with 127', async () => {
      expect(await sandbox.exec(['no-such-program-here'])).toMatchObject({ outcome: 'exited', exitCode: 127 });
    });

    test('that dies of its own signal says so', async () => {
      expect(await sandbox.exec('kill -TERM $$')).toMatchObject({ outcome: 'signalled', exitCode: null, signal: 'SIGTERM' });
    });

    test('over its time limit is timedOut', async () => {
      expect(await sandbox.exec('echo before; sleep 600', { timeoutMs: 500 })).toMatchObject({
        outcome: 'timedOut',
        exitCode: null,
        stdout: 'before\n',
      });
    });

    test('that stays silent too long is idleTimedOut', async () => {
      expect(await sandbox.exec('echo before; sleep 600', { idleTimeoutMs: 500 })).toMatchObject({
        outcome: 'idleTimedOut',
        stdout: 'before\n',
      });
    });

    test('with the same id and request is started once', async () => {
      const id = `once-${randomBytes(6).toString('hex')}`;
      const command = 'echo run >> once.txt; cat once.txt';
      const [first, second] = await Promise.all([sandbox.exec(command, { id }), sandbox.exec(command, { id })]);
      expect([first.stdout, second.stdout, await sandbox.files.readText('once.txt')]).toEqual(['run\n', 'run\n', 'run\n']);
    });

    test('runs beside others', async () => {
      const results = await Promise.all([1, 2, 3, 4].map((n) => sandbox.exec(`sleep 0.2; echo ${n}`)));
      expect(results.map(({ stdout }) => stdout)).toEqual(['1\n', '2\n', '3\n', '4\n']);
    });

    test('without stdin reads end-of-file', async () => {
      expect((await sandbox.exec('cat; echo done')).stdout).toBe('done\n');
    });
  });

  describe('stdin', () => {
    test('may be text', async () => {
      expect((await sandbox.exec('cat', { stdin: 'héllo\n' })).stdout).toBe('héllo\n');
    });

    test('may be bytes, more than any window', async () => {
      const bytes = randomBytes(3 * MIB);
      const { stdout } = await sandbox.exec('sha256sum', { stdin: bytes });
      expect(stdout.slice(0, 64)).toBe(createHash('sha256').update(bytes).digest('hex'));
    });

    test('may be an async iterable, taken no faster than the command reads', async () => {
      async function* lines(): AsyncGenerator<string> {
        for (let n = 0; n < 100; n += 1) yield `line ${n}\n`;
      }
      expect((await sandbox.exec('wc -l', { stdin: lines() })).stdout.trim()).toBe('100');
    });

    test('may be written live and closed', async () => {
      const execution = sandbox.exec('while read -r line; do echo "got $line"; done; echo end', { stdin: true });
      await execution.write('one\n');
      await execution.write(Buffer.from('two\n'));
      execution.closeStdin();
      expect((await execution).stdout).toBe('got one\ngot two\nend\n');
    });

    test('that the command does not read is no failure', async () => {
      expect(await sandbox.exec('true', { stdin: randomBytes(2 * MIB) })).toMatchObject({ outcome: 'exited', exitCode: 0 });
    });

    test('of a command that has none refuses live writes', async () => {
      const execution = sandbox.exec('sleep 0.1');
      await execution.resize({ columns: 10, rows: 10 }).catch(() => undefined);
      expect(await errorOf(execution.write('x'))).toBe('STDIN_CLOSED');
      await execution;
    });
  });

  describe('ending a command', () => {
    test('kill() makes the result say killed, by the caller', async () => {
      const execution = sandbox.exec('echo up; sleep 600');
      for await (const chunk of execution) {
        if (chunk.text.includes('up')) await execution.kill();
      }
      expect(await execution).toMatchObject({ outcome: 'killed', exitCode: null, by: 'caller' });
      await expect(execution.kill()).resolves.toBeUndefined();
    });

    test('a signal reaches the command, which may handle it', async () => {
      const execution = sandbox.exec('trap "echo caught; exit 3" INT; echo up; while true; do sleep 0.05; done');
      let seen = '';
      for await (const chunk of execution) {
        if (chunk.text.includes('up')) await execution.kill('SIGINT');
        seen += chunk.text;
      }
      expect(seen).toBe('up\ncaught\n');
    });

    test('an aborted signal does the same', async () => {
      const abort = new AbortController();
      const execution = sandbox.exec('echo up; sleep 600', { signal: abort.signal });
      for await (const _ of execution) abort.abort();
      expect((await execution).outcome).toBe('killed');
    });

    test('a signal aborted before starts nothing', async () => {
      const result = await sandbox.exec('touch never-started', { signal: AbortSignal.abort() });
      expect(result.outcome).toBe('killed');
      expect(await sandbox.files.exists('never-started')).toBe(false);
    });
  });
}
