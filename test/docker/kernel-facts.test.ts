// What the kernel did is said of the command it did it to, and of no other; and a fork bomb in its quota ends in time.

import { spawn } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Cloister, Execution, Sandbox } from '../../client/index.ts';
import { codeOf } from '../support/eventually.ts';
import { startTestDaemon, type TestDaemon } from '../support/test-daemon.ts';

const MIB = 1024 * 1024;
/** Beyond the grace period. */
const RESIDUAL_MS = 1000;
const GRACE_MS = 2000;

let daemon: TestDaemon;
let client: Cloister;
let sandbox: Sandbox;

beforeAll(async () => {
  daemon = await startTestDaemon();
  client = await daemon.connect('acme');
  sandbox = await client.open({ session: 'kernel', limits: { memoryBytes: 256 * MIB } });
});
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
});

const python = (program: string): string[] => ['python3', '-u', '-c', program];
const until = async (execution: Execution, text: string): Promise<void> => {
  for await (const chunk of execution) if (chunk.text.includes(text)) return;
};
const notesOf = ({ notes }: { readonly notes: readonly { readonly code: string }[] }): string[] => notes.map(({ code }) => code);

describe('of two commands that use much memory the one that the kernel killed is oomKilled', () => {
  /** Holds 60 MiB until the file is there, then ends as the OOM killer would end it. */
  const hold = (file: string, end: string): string[] =>
    python(`import os, time\nx = bytearray(60 << 20); print('up')\nwhile not os.path.exists('${file}'): time.sleep(0.02)\n${end}`);

  test.each([
    [
      'ends by SIGKILL of its own',
      'os.kill(os.getpid(), 9)',
      ['python3', '-c', 'x = bytearray(1 << 30)'],
      { outcome: 'signalled', signal: 'SIGKILL' },
    ],
    ['says 137 by itself', 'os._exit(137)', 'python3 -c "x = bytearray(1 << 30)"; exit $?', { outcome: 'exited', exitCode: 137 }],
  ])('and the other is not, though it %s', async (file, end, hog, expected) => {
    const other = sandbox.exec(hold(file, end), { background: true });
    await until(other, 'up');
    const killed = await sandbox.exec(hog);
    expect(killed).toMatchObject({ outcome: 'oomKilled', exitCode: null, signal: null });
    expect(notesOf(killed)).toEqual([]);
    await sandbox.files.write(file, '');
    const survived = await other;
    expect(survived).toMatchObject(expected);
    expect(notesOf(survived)).toEqual(['oomKill']);
  });

  test('and neither is, when it was a process that an earlier command had left', async () => {
    const left = await sandbox.exec(
      "python3 -c \"import time; x = bytearray(120 << 20); open('big', 'w'); time.sleep(600)\" > /dev/null 2>&1 & while [ ! -e big ]; do sleep 0.05; done",
    );
    expect(notesOf(left)).toContain('processesLeft');
    const other = sandbox.exec(hold('after', 'os.kill(os.getpid(), 9)'), { background: true });
    await until(other, 'up');
    await sandbox.exec(python("import time\nx = bytearray(100 << 20); open('filled', 'w'); time.sleep(0.2)"));
    await sandbox.files.write('after', '');
    const result = await other;
    expect(result).toMatchObject({ outcome: 'signalled', signal: 'SIGKILL' });
    expect(notesOf(result)).toEqual(['oomKill']);
    await sandbox.exec('pkill -9 python3');
  });
});

describe('a fork bomb in its quota, on a busy host,', () => {
  const BOMB = `
import os, signal
while True:
    try:
        if os.fork() == 0: os.setsid()
        os.kill(-1, signal.SIGCONT)
    except OSError: os.write(1, b'full')
`;
  let narrow: Sandbox;
  const hogs: ReturnType<typeof spawn>[] = [];

  beforeAll(async () => {
    narrow = await client.open({ session: 'bomb', limits: { cpus: 0.5, pids: 256 } });
    // A file, because a bomb in plain sight is refused.
    await narrow.files.write('bomb.py', BOMB);
    for (let n = 0; n < 2; n += 1) hogs.push(spawn('sh', ['-c', 'while :; do :; done'], { stdio: 'ignore' }));
  });
  afterAll(() => {
    for (const hog of hogs) hog.kill('SIGKILL');
  });

  test('ends within a second of its grace period when it is killed, and another command goes on', async () => {
    const other = narrow.exec(['cat'], { background: true, stdin: true });
    const residual = [];
    for (let n = 0; n < 3; n += 1) {
      const bomb = narrow.exec(['python3', 'bomb.py'], { background: true });
      await until(bomb, 'full');
      const at = performance.now();
      await bomb.kill();
      const result = await bomb;
      residual.push(performance.now() - at - GRACE_MS);
      expect(result).toMatchObject({ outcome: 'killed', by: 'caller' });
      expect(notesOf(result)).toContain('pidsLimit');
    }
    expect(Math.max(...residual)).toBeLessThan(RESIDUAL_MS);
    await other.write('still here');
    other.closeStdin();
    expect(await other).toMatchObject({ outcome: 'exited', exitCode: 0, stdout: 'still here' });
  });

  test('ends within a second of its time limit and grace period', async () => {
    const at = performance.now();
    const result = await narrow.exec(['python3', 'bomb.py'], { timeoutMs: 700, outputBytes: 4096 });
    expect(performance.now() - at).toBeLessThan(700 + GRACE_MS + RESIDUAL_MS);
    expect(result.outcome).toBe('timedOut');
  });

  test('makes room for another command within a second, and a third one goes on', async () => {
    const other = narrow.exec(['cat'], { background: true, stdin: true });
    const bomb = narrow.exec(['python3', 'bomb.py'], { background: true, outputBytes: 4096 });
    await until(bomb, 'full');
    const at = performance.now();
    expect(await narrow.exec(['echo', 'room'])).toMatchObject({ outcome: 'exited', stdout: 'room\n' });
    expect(await bomb).toMatchObject({ outcome: 'killed', by: 'cloister:pids' });
    expect(performance.now() - at).toBeLessThan(RESIDUAL_MS);
    await other.write('here, too');
    other.closeStdin();
    expect(await other).toMatchObject({ outcome: 'exited', stdout: 'here, too' });
  });
});

describe('the process limit', () => {
  test('is a note of the command that met it', async () => {
    const tight = await client.open({ session: 'tight', limits: { pids: 16 }, workspace: { retain: 'delete' } });
    const met = await tight.exec('for n in $(seq 20); do sleep 0.2 & done; wait');
    expect(notesOf(met)).toContain('pidsLimit');
    expect(notesOf(await tight.exec('true'))).not.toContain('pidsLimit');
    await tight.close();
  });

  test('is QUOTA_EXCEEDED for a command that finds no slot and nothing large to end', async () => {
    const tight = await client.open({ session: 'small-trees', limits: { pids: 16 }, workspace: { retain: 'delete' } });
    await tight.files.write(
      'fill.py',
      `import os, time
own = os.getpid()
for n in range(5):
  try:
    if os.fork() == 0: break
  except OSError: break
if os.getpid() == own: print('up', flush=True)
time.sleep(600)`,
    );
    const held = [];
    for (let n = 0; n < 2; n += 1) {
      const execution = tight.exec(['python3', 'fill.py'], { background: true });
      await until(execution, 'up');
      held.push(execution);
    }
    expect(await codeOf(tight.exec('true'))).toBe('QUOTA_EXCEEDED');
    await tight.close();
    expect((await Promise.all(held)).map(({ outcome }) => outcome)).toEqual(held.map(() => 'killed'));
  });
});
