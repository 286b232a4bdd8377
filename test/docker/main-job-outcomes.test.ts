// Every outcome a command can have, by its real cause, and nothing left of a command that was ended.

import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Cloister, ExecOptions, ExecResult, Sandbox } from '../../client/index.ts';
import { codeOf, eventually } from '../support/eventually.ts';
import { processesOf, processesWith } from '../support/host-view.ts';
import { startTestDaemon, type TestDaemon } from '../support/test-daemon.ts';

const MIB = 1024 * 1024;
/** Forks until nothing is left, then keeps what it has. */
const FILL_PROCESSES = `import os, time
try:
    while True:
        if os.fork() == 0: time.sleep(600)
except BlockingIOError: print("full", flush=True)
time.sleep(600)`;

let daemon: TestDaemon;
let client: Cloister;
let sandbox: Sandbox;

beforeAll(async () => {
  daemon = await startTestDaemon();
  client = await daemon.connect('acme');
  sandbox = await client.open({ session: 'outcomes', limits: { memoryBytes: 256 * MIB } });
});
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
});

type Command = string | readonly string[];

describe('the outcome says what happened', () => {
  test.each<[string, Command, ExecOptions, Partial<ExecResult>]>([
    ['a command that succeeds', ['true'], {}, { outcome: 'exited', exitCode: 0, signal: null }],
    ['a command that fails', 'exit 42', {}, { outcome: 'exited', exitCode: 42 }],
    [
      'a program that does not exist',
      ['no-such-program'],
      {},
      { outcome: 'exited', exitCode: 127, reason: expect.stringContaining('not found') as string },
    ],
    ['a path that does not exist', ['/workspace/none'], {}, { outcome: 'exited', exitCode: 127 }],
    ['a file that is not executable', ['/etc/passwd'], {}, { outcome: 'exited', exitCode: 126 }],
    ['a directory', ['/workspace'], {}, { outcome: 'exited', exitCode: 126 }],
    [
      'a working directory that does not exist',
      ['true'],
      { cwd: 'none' },
      { outcome: 'exited', exitCode: 126, reason: expect.stringContaining('working directory') as string },
    ],
    ['a program the shell cannot find', 'no-such-program', {}, { outcome: 'exited', exitCode: 127 }],
    [
      'a command that dies of a fault',
      ['python3', '-c', 'import ctypes; ctypes.string_at(0)'],
      {},
      { outcome: 'signalled', exitCode: null, signal: 'SIGSEGV' },
    ],
    ['a command that kills itself', 'kill -KILL $$', {}, { outcome: 'signalled', exitCode: null, signal: 'SIGKILL' }],
    ['a shell that says 137 without any memory being short', 'exit 137', {}, { outcome: 'exited', exitCode: 137 }],
    ['a command over its time limit', 'sleep 600', { timeoutMs: 200 }, { outcome: 'timedOut', exitCode: null, signal: null }],
    [
      'a command that ignores SIGTERM over its time limit',
      'trap "" TERM; while :; do sleep 1; done',
      { timeoutMs: 200 },
      { outcome: 'timedOut', exitCode: null },
    ],
    [
      'a command that goes silent',
      'echo up; sleep 600',
      { idleTimeoutMs: 300 },
      { outcome: 'idleTimedOut', exitCode: null, stdout: 'up\n' },
    ],
    [
      'a command that keeps talking within its idle limit',
      'for n in 1 2 3 4 5; do echo $n; sleep 0.1; done',
      { idleTimeoutMs: 2000 },
      { outcome: 'exited', exitCode: 0 },
    ],
    [
      'a command that allocates more than the sandbox has',
      ['python3', '-c', 'x = bytearray(1 << 30)'],
      {},
      { outcome: 'oomKilled', exitCode: null, signal: null },
    ],
    [
      'more output than its cap, when that is to stop it',
      'yes',
      { outputBytes: 64 * 1024, outputPolicy: 'stop' },
      { outcome: 'outputCapped', exitCode: null },
    ],
    [
      'more output than its cap, when that is to be dropped',
      'yes | head -c 1000000; echo end',
      { outputBytes: 64 * 1024 },
      { outcome: 'exited', exitCode: 0 },
    ],
  ])('%s', async (_, command, options, expected) => {
    expect(await sandbox.exec(command, options)).toMatchObject(expected);
  });

  test('memory that a child ran out of is a note, not an outcome', async () => {
    const result = await sandbox.exec('python3 -c "x = bytearray(1 << 30)"; echo "child $?"');
    expect(result).toMatchObject({ outcome: 'exited', exitCode: 0, stdout: expect.stringContaining('child 137') as string });
    expect(result.notes.map(({ code }) => code)).toContain('oomKill');
  });

  test('a command the caller ends is killed, by the caller', async () => {
    const execution = sandbox.exec('echo up; sleep 600');
    for await (const _ of execution) await execution.kill();
    expect(await execution).toMatchObject({ outcome: 'killed', by: 'caller', exitCode: null });
  });

  test('a command the caller sends a deadly signal is killed, by the caller', async () => {
    const execution = sandbox.exec('echo up; exec sleep 600');
    for await (const _ of execution) await execution.kill('SIGKILL');
    expect(await execution).toMatchObject({ outcome: 'killed', by: 'caller', reason: 'by SIGKILL' });
  });

  test('a command that ended as its session did is killed, by the session', async () => {
    const closing = await client.open({ session: 'closing', workspace: { retain: 'delete' } });
    const execution = closing.exec('sleep 600');
    await closing.execs();
    await closing.close();
    expect(await execution).toMatchObject({ outcome: 'killed', by: 'session:close' });
  });

  test('a command that has not ended when yieldMs is over is running, and goes on', async () => {
    const part = await sandbox.exec('echo one; sleep 0.6; echo two', { yieldMs: 200 });
    expect(part).toMatchObject({ outcome: 'running', exitCode: null, stdout: 'one\n', nextOffset: 4 });
    const rest = [];
    for await (const chunk of sandbox.attach(part.id, { offset: part.nextOffset })) rest.push(chunk.text);
    expect(rest.join('')).toBe('two\n');
    expect((await sandbox.attach(part.id)).outcome).toBe('exited');
  });

  test("a command whose container is killed behind the daemon's back is lost, and its session opens anew", async () => {
    const doomed = await client.open({ session: 'doomed' });
    await doomed.files.write('kept.txt', 'kept');
    const execution = doomed.exec('echo up; sleep 600');
    for await (const _ of execution) await daemon.driver.kill(`cloister-${doomed.id}`);
    expect(await execution).toMatchObject({ outcome: 'lost', exitCode: null, signal: null });
    expect(['SANDBOX_FAILED', 'SESSION_EXPIRED']).toContain(await codeOf(doomed.exec('true')));
    const again = await eventually(
      () => client.open({ session: 'doomed' }),
      () => true,
    );
    expect(again).toMatchObject({ created: true });
    expect(again.id).not.toBe(doomed.id);
    expect(await again.files.readText('kept.txt')).toBe('kept');
    await again.close({ workspace: 'delete' });
  });

  test('a command that takes every process slot is killed for the next one, and the result says why', async () => {
    const narrow = await client.open({ session: 'narrow', limits: { pids: 32 }, workspace: { retain: 'delete' } });
    // A file, because a bomb in plain sight is refused.
    await narrow.files.write('fill.py', FILL_PROCESSES);
    const hog = narrow.exec(['python3', 'fill.py'], { background: true });
    for await (const chunk of hog)
      if (chunk.text.includes('full')) expect(await narrow.exec('echo room')).toMatchObject({ outcome: 'exited', stdout: 'room\n' });
    expect(await hog).toMatchObject({
      outcome: 'killed',
      by: 'cloister:pids',
      notes: expect.arrayContaining([expect.objectContaining({ code: 'pidsLimit' })]) as [],
    });
    await narrow.close();
  });

  test('a command over the limit of commands is QUOTA_EXCEEDED', async () => {
    const narrow = await client.open({ session: 'two', limits: { execs: 2 }, workspace: { retain: 'delete' } });
    const two = [narrow.exec('sleep 600'), narrow.exec('sleep 600')];
    await narrow.execs();
    expect(await codeOf(narrow.exec('true'))).toBe('QUOTA_EXCEEDED');
    await narrow.close();
    expect((await Promise.all(two)).map(({ outcome }) => outcome)).toEqual(['killed', 'killed']);
  });
});

describe('a command that was ended leaves no process', () => {
  const DAEMON =
    'import os,sys,time,signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nif os.fork(): os._exit(0)\nos.setsid()\nif os.fork(): os._exit(0)\nsys.stdout.write("daemon up\\n"); sys.stdout.flush()\ntime.sleep(600)';

  test.each<[string, (marker: string) => Command]>([
    ['of its children', (marker) => `(exec -a ${marker} sleep 600) & exec -a ${marker} sleep 600`],
    ['that called setsid', (marker) => `setsid bash -c 'exec -a ${marker} sleep 600' & exec -a ${marker} sleep 600`],
    [
      'that forked twice, ignores SIGTERM and holds its output',
      (marker) => `python3 -c '${DAEMON}' ${marker}; exec -a ${marker} sleep 600`,
    ],
  ])('%s', async (_, command) => {
    const marker = `marker-${randomBytes(6).toString('hex')}`;
    const result = await sandbox.exec(command(marker), { timeoutMs: 500 });
    expect(result.outcome).toBe('timedOut');
    expect(await processesWith(daemon.driver, sandbox.id, marker)).toEqual([]);
  });

  test('nor does one that left its children behind when it exits by itself, once it is killed', async () => {
    const marker = `marker-${randomBytes(6).toString('hex')}`;
    const result = await sandbox.exec(`(exec -a ${marker} sleep 600) > /dev/null 2>&1 & echo started`);
    expect(result).toMatchObject({ outcome: 'exited', exitCode: 0, stdout: 'started\n' });
    expect(result.notes.map(({ code }) => code)).toContain('processesLeft');
  });

  test('and after all of this only init and its helpers are left in a fresh look', async () => {
    await sandbox.exec('pkill -9 sleep');
    const left = await eventually(
      () => processesOf(daemon.driver, sandbox.id),
      (all) => all.every(({ command, state }) => state !== 'Z' && command.includes('cloister-init')),
    );
    expect(left.filter(({ command }) => !command.includes('cloister-init'))).toEqual([]);
  });
});
