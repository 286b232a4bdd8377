// What the client library promises against any daemon. One suite, run on the real daemon and on stand-ins that speak its protocol.

import { createHash, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Cloister, OutputChunk, Sandbox } from '../../client/index.ts';

export interface ClientUnderTest {
  /** A client of its own each time. */
  connect(): Promise<Cloister>;
}

const MIB = 1024 * 1024;
const newSession = (): string => `contract-${randomBytes(6).toString('hex')}`;
const errorOf = (promise: PromiseLike<unknown>): Promise<unknown> => Promise.resolve(promise).then(() => 'no error', (error: { code?: unknown }) => error.code ?? error);

async function collect(chunks: AsyncIterable<OutputChunk>): Promise<OutputChunk[]> {
  const all: OutputChunk[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return all;
}

const textOf = (chunks: readonly OutputChunk[], stream: 'stdout' | 'stderr'): string => chunks.filter((chunk) => chunk.stream === stream).map((chunk) => chunk.text).join('');

export function clientContract(kind: string, subject: () => ClientUnderTest): void {
  describe(`client (${kind})`, () => {
    let cloister: Cloister;
    let sandbox: Sandbox;

    beforeAll(async () => {
      cloister = await subject().connect();
      sandbox = await cloister.open({ session: newSession() });
    });
    afterAll(async () => {
      await sandbox.close({ workspace: 'delete' });
      await cloister.close();
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
        expect((await sandbox.exec('basename "$PWD"; echo "$GREETING"', { cwd: 'deep/er', env: { GREETING: 'hé llo' } })).stdout).toBe('er\nhé llo\n');
      });

      test('that does not exist ends with 127', async () => {
        expect(await sandbox.exec(['no-such-program-here'])).toMatchObject({ outcome: 'exited', exitCode: 127 });
      });

      test('that dies of its own signal says so', async () => {
        expect(await sandbox.exec('kill -TERM $$')).toMatchObject({ outcome: 'signalled', exitCode: null, signal: 'SIGTERM' });
      });

      test('over its time limit is timedOut', async () => {
        expect(await sandbox.exec('echo before; sleep 600', { timeoutMs: 500 })).toMatchObject({ outcome: 'timedOut', exitCode: null, stdout: 'before\n' });
      });

      test('that stays silent too long is idleTimedOut', async () => {
        expect(await sandbox.exec('echo before; sleep 600', { idleTimeoutMs: 500 })).toMatchObject({ outcome: 'idleTimedOut', stdout: 'before\n' });
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
        expect(seen.filter((entry) => entry.startsWith('out')).join('').replaceAll('out ', '')).toBe('a\nb\n');
        expect(seen).toContain('err c\n');
      });

      test('awaiting alone never stalls a command that writes a lot', async () => {
        const held = sandbox.exec('head -c 4194304 /dev/zero | tr "\\0" x; echo; echo end >&2');
        await sandbox.exec('sleep 0.2');
        expect(await held).toMatchObject({ outcome: 'exited', exitCode: 0, stderr: 'end\n' });
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
        const other = await subject().connect();
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
        const other = await subject().connect();
        const joined = await other.open({ session: sandbox.session, role: 'participant' });
        const { id } = joined.exec('sleep 0.5; echo survived', { background: true });
        await joined.execs();
        await other.close();
        expect((await sandbox.attach(id)).stdout).toBe('survived\n');
      });

      test('a foreground command does not outlive a client that closes', async () => {
        const other = await subject().connect();
        const joined = await other.open({ session: sandbox.session, role: 'participant' });
        const execution = joined.exec('sleep 600');
        await joined.execs();
        await other.close();
        expect(await errorOf(execution)).toBe('CLOSED');
        expect((await sandbox.attach(execution.id)).outcome).toBe('killed');
      });
    });

    describe('a pty', () => {
      test('is a terminal of the given size, takes keys, and ends', async () => {
        const execution = sandbox.exec('test -t 0 && test -t 1 && stty size; read -r line; echo "got $line"', { pty: { columns: 100, rows: 30 } });
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

    describe('files', () => {
      test('are written and read whole, parents created', async () => {
        const stat = await sandbox.files.write('made/here/text.txt', 'héllo\n', { mode: 0o640 });
        expect(stat).toMatchObject({ kind: 'file', size: 7, mode: 0o640 });
        expect(await sandbox.files.readText('made/here/text.txt')).toBe('héllo\n');
        expect(await sandbox.files.readText('/workspace/made/here/text.txt', { offset: 3, length: 3 })).toBe('llo');
      });

      test('of any size come back as they were, also streamed', async () => {
        const bytes = randomBytes(5 * MIB + 13);
        await sandbox.files.write('big.bin', bytes);
        expect(Buffer.compare(await sandbox.files.read('big.bin'), bytes)).toBe(0);
        const hash = createHash('sha256');
        for await (const part of sandbox.files.readStream('big.bin')) hash.update(part);
        expect(hash.digest('hex')).toBe(createHash('sha256').update(bytes).digest('hex'));
        async function* parts(): AsyncGenerator<Uint8Array> {
          for (let at = 0; at < bytes.byteLength; at += 70_000) yield bytes.subarray(at, at + 70_000);
        }
        await sandbox.files.write('copy.bin', parts());
        expect((await sandbox.exec('cmp big.bin copy.bin')).exitCode).toBe(0);
      });

      test('may be empty', async () => {
        await sandbox.files.write('empty', '');
        expect((await sandbox.files.read('empty')).byteLength).toBe(0);
      });

      test('a reader that stops early disturbs nothing', async () => {
        await sandbox.files.write('long', Buffer.alloc(4 * MIB));
        for await (const _ of sandbox.files.readStream('long')) break;
        expect((await sandbox.files.stat('long')).size).toBe(4 * MIB);
      });

      test('a source that fails leaves the old content in place', async () => {
        await sandbox.files.write('target.txt', 'old');
        async function* failing(): AsyncGenerator<string> {
          yield 'new';
          throw new Error('the disk is gone');
        }
        expect(await errorOf(sandbox.files.write('target.txt', failing()))).toBe('SOURCE_FAILED');
        expect(await sandbox.files.readText('target.txt')).toBe('old');
      });

      test('append, exclusive and ifMatch do what they say', async () => {
        await sandbox.files.write('log', 'a');
        await sandbox.files.write('log', 'b', { append: true });
        expect(await sandbox.files.readText('log')).toBe('ab');
        expect(await errorOf(sandbox.files.write('log', 'c', { exclusive: true }))).toBe('FILE_EXISTS');
        const sha256 = createHash('sha256').update('ab').digest('hex');
        await sandbox.files.write('log', 'd', { ifMatch: sha256 });
        expect(await errorOf(sandbox.files.write('log', 'e', { ifMatch: sha256 }))).toBe('NO_MATCH');
      });

      test('are listed, moved, copied, linked, changed and removed', async () => {
        const { files } = sandbox;
        await files.write('tree/a.txt', 'a');
        await files.mkdir('tree/sub');
        await files.copy('tree/a.txt', 'tree/sub/b.txt');
        await files.move('tree/a.txt', 'tree/c.txt');
        await files.symlink('c.txt', 'tree/link');
        await files.chmod('tree/c.txt', 0o600);
        expect(await files.readlink('tree/link')).toBe('c.txt');
        const { entries, truncated } = await files.list('tree', { recursive: true });
        expect(entries.map(({ path, kind }) => `${kind} ${path}`).toSorted()).toEqual(['directory sub', 'file c.txt', 'file sub/b.txt', 'symlink link']);
        expect(truncated).toBe(false);
        expect(await files.list('tree', { limit: 1 })).toMatchObject({ truncated: true });
        expect(await files.stat('tree/c.txt')).toMatchObject({ kind: 'file', mode: 0o600, size: 1 });
        expect(await files.stat('tree/link', { followSymlink: false })).toMatchObject({ kind: 'symlink' });
        await files.remove('tree', { recursive: true });
        expect(await files.exists('tree')).toBe(false);
      });

      test.each([
        ['reading what is not there', 'FILE_NOT_FOUND', (box: Sandbox) => box.files.read('nothing')],
        ['reading a directory', 'IS_DIRECTORY', (box: Sandbox) => box.files.read('.')],
        ['leaving the workspace by ..', 'PATH_ESCAPES_WORKSPACE', (box: Sandbox) => box.files.read('../etc/passwd')],
        ['leaving the workspace by an absolute path', 'PATH_ESCAPES_WORKSPACE', (box: Sandbox) => box.files.exists('/etc/passwd')],
        ['removing what is not there', 'FILE_NOT_FOUND', (box: Sandbox) => box.files.remove('nothing')],
      ])('%s is %s', async (_, code, call) => {
        expect(await errorOf(call(sandbox))).toBe(code);
      });
    });

    describe('sandboxes', () => {
      test('opened twice on one client are one object', async () => {
        const again = await cloister.open({ session: sandbox.session });
        expect(again).toBe(sandbox);
        await again[Symbol.asyncDispose]();
        expect((await sandbox.exec('echo still here')).stdout).toBe('still here\n');
      });

      test('controlled by another client are SESSION_BUSY', async () => {
        const other = await subject().connect();
        expect(await errorOf(other.open({ session: sandbox.session }))).toBe('SESSION_BUSY');
        await other.close();
      });

      test('are listed with what they do', async () => {
        const running = sandbox.exec('sleep 600');
        await sandbox.execs();
        const info = (await cloister.list({ state: 'running' })).find(({ id }) => id === sandbox.id);
        expect(info).toMatchObject({ session: sandbox.session, execs: 1, isControlled: true });
        await running.kill();
        await running;
      });

      test('are extended', async () => {
        const before = Date.now();
        const { expiresAt } = await sandbox.extend({ ttlMs: 3_600_000 });
        expect(Date.parse(expiresAt ?? '')).toBeGreaterThanOrEqual(before + 3_590_000);
      });

      test('closed take no more calls and are gone for others', async () => {
        const closed = await cloister.open({ session: newSession() });
        const execution = closed.exec('sleep 600', { background: true });
        await closed.execs();
        await closed.close({ workspace: 'delete' });
        await closed.close();
        expect((await execution).outcome).toBe('killed');
        expect(await errorOf(closed.exec('true'))).toBe('SESSION_EXPIRED');
        expect(await errorOf(closed.files.list('.'))).toBe('SESSION_EXPIRED');
        expect((await cloister.list()).some(({ id }) => id === closed.id)).toBe(false);
      });

      test('taken over tell their former controller LEASE_LOST', async () => {
        const session = newSession();
        const first = await cloister.open({ session });
        const other = await subject().connect();
        const second = await other.open({ session, takeover: true });
        expect(second.id).toBe(first.id);
        expect(await errorOf(first.exec('true'))).toBe('LEASE_LOST');
        await second.close({ workspace: 'delete' });
        await other.close();
      });

      test('disposed by their scope are closed', async () => {
        let id = '';
        {
          await using scoped = await cloister.open({ session: newSession(), workspace: { retain: 'delete' } });
          ({ id } = scoped);
        }
        expect((await cloister.list()).some((info) => info.id === id)).toBe(false);
      });

      test('carry a receipt of what is enforced', () => {
        expect(sandbox.receipt.sandboxId).toBe(sandbox.id);
        expect(sandbox.receipt.uid).not.toBe(0);
      });
    });

    describe('bad input is refused with a code and leaves the connection unharmed', () => {
      test.each([
        ['a session name with capitals', 'INVALID_REQUEST', (client: Cloister) => client.open({ session: 'NoCapitals' })],
        ['an empty command', 'INVALID_REQUEST', (_: Cloister, box: Sandbox) => box.exec([])],
        ['a NUL byte in a command', 'INVALID_REQUEST', (_: Cloister, box: Sandbox) => box.exec(['echo', 'a\0b'])],
        ['an environment of 10 MB', 'TOO_LARGE', (_: Cloister, box: Sandbox) => box.exec('true', { env: { BIG: 'x'.repeat(10 * MIB) } })],
        ['an environment name the loader obeys', 'INVALID_REQUEST', (_: Cloister, box: Sandbox) => box.exec('true', { env: { LD_PRELOAD: 'x' } })],
        ['a sandbox of nobody', 'NOT_FOUND', (client: Cloister) => client.closeSandbox(`sb_${'a'.repeat(20)}`)],
        ['a NUL byte in a path', 'INVALID_REQUEST', (_: Cloister, box: Sandbox) => box.files.read('a\0b')],
      ])('%s is %s', async (_, code, call) => {
        expect(await errorOf(call(cloister, sandbox))).toBe(code);
        expect((await sandbox.exec('echo fine')).stdout).toBe('fine\n');
      });
    });
  });
}
