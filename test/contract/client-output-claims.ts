// What the client library promises of a command's output, and of going on with it elsewhere.

import { randomBytes } from 'node:crypto';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Sandbox } from '../../client/index.ts';
import { collect, errorOf, MIB, textOf, type ClientSubject } from './client-subject.ts';

export function outputClaims(subject: ClientSubject): void {
  let sandbox: Sandbox;

  beforeAll(() => {
    ({ sandbox } = subject);
  });

  describe('iterating', () => {
    test('gives every byte once, in order, on the right stream', async () => {
      const execution = sandbox.exec('for n in $(seq 1 2000); do echo "out $n"; done; echo "err" >&2');
      const chunks = await collect(execution);
      expect(textOf(chunks, 'stdout')).toBe(Array.from({ length: 2000 }, (_, n) => `out ${n + 1}\n`).join(''));
      expect(textOf(chunks, 'stderr')).toBe('err\n');
      let offset = 0;
      for (const chunk of chunks) {
        expect(chunk.offset).toBe(offset);
        offset += chunk.bytes.byteLength;
      }
      expect((await execution).nextOffset).toBe(offset);
    });

    test('gives output while the command still runs', async () => {
      const execution = sandbox.exec('echo first; read -r line; echo "then $line"', { stdin: true });
      const seen: string[] = [];
      for await (const chunk of execution) {
        seen.push(chunk.text);
        if (chunk.text === 'first\n') {
          await execution.write('go\n');
          execution.closeStdin();
        }
      }
      expect(seen.join('')).toBe('first\nthen go\n');
    });

    test('slowly makes the command wait and loses nothing', async () => {
      const execution = sandbox.exec('head -c 8388608 /dev/zero | tr "\\0" x');
      let bytes = 0;
      for await (const chunk of execution) {
        bytes += chunk.bytes.byteLength;
        await new Promise((resolve) => setImmediate(resolve));
      }
      expect(bytes).toBe(8 * MIB);
      expect(await execution).toMatchObject({ outcome: 'exited', exitCode: 0 });
    });

    test('may begin late: what came meanwhile is there', async () => {
      const execution = sandbox.exec('echo early; sleep 0.3; echo late');
      await sandbox.exec('sleep 0.1');
      expect(textOf(await collect(execution), 'stdout')).toBe('early\nlate\n');
    });

    test('after awaiting reads what is kept', async () => {
      const execution = sandbox.exec('echo kept');
      await execution;
      expect(textOf(await collect(execution), 'stdout')).toBe('kept\n');
      expect(textOf(await collect(execution), 'stdout')).toBe('kept\n');
    });

    test('left early kills the command and everything it started', async () => {
      const marker = `marker-${randomBytes(6).toString('hex')}`;
      for await (const chunk of sandbox.exec(['bash', '-c', `echo up; (exec -a ${marker} sleep 600) & exec -a ${marker} sleep 600`])) {
        expect(chunk.text).toBe('up\n');
        break;
      }
      expect((await sandbox.exec(`pgrep -fc '^${marker}'`)).stdout.trim()).toBe('0');
    });

    test('callbacks see every chunk before the result comes', async () => {
      const seen: string[] = [];
      const result = await sandbox.exec('echo a; sleep 0.1; echo b; echo c >&2', {
        onStdout: async (text) => {
          await new Promise((resolve) => setTimeout(resolve, 20));
          seen.push(`out ${text}`);
        },
        onStderr: (text) => void seen.push(`err ${text}`),
      });
      expect(result.outcome).toBe('exited');
      expect(
        seen
          .filter((entry) => entry.startsWith('out'))
          .join('')
          .replaceAll('out ', ''),
      ).toBe('a\nb\n');
      expect(seen).toContain('err c\n');
    });

    test('awaiting alone never stalls a command that writes a lot', async () => {
      const held = sandbox.exec('head -c 4194304 /dev/zero | tr "\\0" x; echo; echo end >&2');
      await sandbox.exec('sleep 0.2');
      expect(await held).toMatchObject({ outcome: 'exited', exitCode: 0, stderr: 'end\n' });
    });
  });

  describe('background and attach', () => {
    test('a background command is followed from its beginning by whoever iterates', async () => {
      const execution = sandbox.exec('echo one; sleep 0.2; echo two', { background: true });
      await sandbox.exec('sleep 0.1');
      expect(textOf(await collect(execution), 'stdout')).toBe('one\ntwo\n');
      expect((await execution).outcome).toBe('exited');
    });

    test('leaving its loop leaves it running', async () => {
      const execution = sandbox.exec('echo up; sleep 0.5; echo done', { background: true });
      for await (const _ of execution) break;
      expect(await execution).toMatchObject({ outcome: 'exited', stdout: 'up\ndone\n' });
    });

    test('another client attaches by id at an offset', async () => {
      const execution = sandbox.exec('echo 0123456789; sleep 0.3; echo end', { background: true });
      await sandbox.exec('sleep 0.1');
      const other = await subject.connect();
      const joined = await other.open({ session: sandbox.session, role: 'participant' });
      expect(joined).toMatchObject({ id: sandbox.id, created: false, startKind: 'attached', role: 'participant' });
      expect(textOf(await collect(joined.attach(execution.id, { offset: 5 })), 'stdout')).toBe('56789\nend\n');
      await other.close();
    });

    test('yieldMs answers running, attach goes on where it stopped', async () => {
      const part = await sandbox.exec('echo one; sleep 1; echo two', { yieldMs: 300 });
      expect(part).toMatchObject({ outcome: 'running', exitCode: null, stdout: 'one\n', nextOffset: 4 });
      const rest = sandbox.attach(part.id, { offset: part.nextOffset });
      expect(textOf(await collect(rest), 'stdout')).toBe('two\n');
      expect(await rest).toMatchObject({ outcome: 'exited', exitCode: 0 });
    });

    test('an unknown id is EXEC_UNKNOWN', async () => {
      expect(await errorOf(sandbox.attach('never-seen'))).toBe('EXEC_UNKNOWN');
      expect(await errorOf(collect(sandbox.attach('never-seen')))).toBe('EXEC_UNKNOWN');
    });

    test('a background command outlives its client', async () => {
      const other = await subject.connect();
      const joined = await other.open({ session: sandbox.session, role: 'participant' });
      const { id } = joined.exec('sleep 0.5; echo survived', { background: true });
      await joined.execs();
      await other.close();
      expect((await sandbox.attach(id)).stdout).toBe('survived\n');
    });

    test('a foreground command does not outlive a client that closes', async () => {
      const other = await subject.connect();
      const joined = await other.open({ session: sandbox.session, role: 'participant' });
      const execution = joined.exec('sleep 600');
      await joined.execs();
      await other.close();
      // Its end and the closing race: the handle hears of one of them.
      expect(['killed', 'CLOSED']).toContain(
        await execution.result.then(
          ({ outcome }) => outcome,
          ({ code }: { code: string }) => code,
        ),
      );
      expect((await sandbox.attach(execution.id)).outcome).toBe('killed');
    });
  });

  describe('a pty', () => {
    test('is a terminal of the given size, takes keys, and ends', async () => {
      const execution = sandbox.exec('test -t 0 && test -t 1 && stty size; read -r line; echo "got $line"', {
        pty: { columns: 100, rows: 30 },
      });
      let seen = '';
      for await (const chunk of execution) {
        if (!seen.includes('30 100') && (seen + chunk.text).includes('30 100')) await execution.write('keys\n');
        seen += chunk.text;
      }
      expect(seen).toContain('30 100');
      expect(seen).toContain('got keys');
      expect((await execution).outcome).toBe('exited');
    });
  });
}
