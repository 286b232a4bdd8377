// Whatever a command does, its end takes its whole tree, and the reason reported is the one that ended it.
import { isDeepStrictEqual } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { InitPeer } from '../support/init-peer.ts';

const STUBBORN = 'trap "" TERM HUP; ';
const SLEEPS = 'sleep 1000; sleep 1000';
const FORK_BOMB = ':(){ :|:& };:; sleep 1000';
const INIT = '/cloister-init';

describe('ending a command', () => {
  let peer: InitPeer;
  beforeAll(async () => {
    peer = await InitPeer.start();
  });
  afterAll(() => peer[Symbol.asyncDispose]());

  /** PID 1, file worker and relay, and nothing else. */
  const expectEmpty = async (): Promise<void> => {
    const empty = [INIT, INIT, INIT];
    // A helper that was killed with the rest comes back a moment later.
    expect(
      await eventually(
        () => peer.container.commands(),
        (commands) => isDeepStrictEqual(commands, empty),
      ),
    ).toEqual(empty);
  };

  it.each([
    ['that simply runs', SLEEPS],
    ['that ignores SIGTERM', STUBBORN + SLEEPS],
    ['that left its session', `setsid sh -c '${SLEEPS}' & wait`],
    ['that forked twice and left its session', `(setsid sh -c '${STUBBORN}${SLEEPS}' &); ${SLEEPS}`],
    ['that stopped itself', 'kill -STOP $$'],
    ['whose grandchild holds its output', `(${STUBBORN}${SLEEPS}) & (${SLEEPS}) & wait`],
    ['that makes many processes', `for i in $(seq 60); do (${STUBBORN}${SLEEPS}) & done; wait`],
    ['that keeps stopping and continuing its children', `${STUBBORN} sleep 1000 & while :; do kill -STOP $!; kill -CONT $!; done`],
  ])('leaves no process of a command over its wall limit %s', async (_, command) => {
    const report = await peer.exec(command, { wallMs: 300, graceMs: 200 }).end();
    expect(report).toMatchObject({ reason: 'wall', lingering: 0, oomLike: false });
    await expectEmpty();
  });

  it('counts idleness from the last byte of output', async () => {
    const exec = peer.exec(`echo a; sleep 0.2; echo b; ${SLEEPS}`, { idleMs: 400, graceMs: 100 });
    expect(await exec.end()).toMatchObject({ reason: 'idle' });
    expect(exec.stdout).toBe('a\nb\n');
  });

  it('lets a command use its grace period and keeps the reason', async () => {
    const exec = peer.exec(`trap 'echo cleaned; exit 3' TERM; sleep 1000 & wait`);
    await exec.started;
    await peer.exec(['sleep', '0.2']).end();
    peer.killTree(exec, 5000);
    expect(await exec.end()).toMatchObject({ reason: 'killed', code: 3 });
    expect(exec.stdout).toBe('cleaned\n');
  });

  it('takes every command whose supervisor the tenant killed, and leaves nothing of it', async () => {
    const others = [peer.exec(SLEEPS), peer.exec(['sleep', '1000'])];
    await Promise.all(others.map((exec) => exec.started));
    const exec = peer.exec(`setsid sleep 1000 & kill -9 -1; ${SLEEPS}`);
    for (const each of [exec, ...others]) expect(await each.end()).toMatchObject({ reason: 'supervisorLost', signal: 9 });
    expect((await peer.exec(['true']).end()).code).toBe(0);
    await expectEmpty();
  });

  it.each([
    ['stopped everything', `kill -STOP -1; ${SLEEPS}`],
    ['killed its own supervisor', `setsid sleep 1000 & kill -9 $PPID; ${SLEEPS}`],
    ['stopped its own supervisor', `kill -STOP $PPID; ${SLEEPS}`],
  ])('says that the supervisor was lost when the tenant %s', async (_, command) => {
    expect(await peer.exec(command).end()).toMatchObject({ reason: 'supervisorLost', lingering: 0 });
    await expectEmpty();
  });

  it('does not mind signals that supervisors need not heed', async () => {
    expect(await peer.exec('kill -TERM -1; kill -HUP -1; kill -USR1 -1; exit 5').end()).toMatchObject({ code: 5, reason: 'self' });
  });

  it.each([
    ['a shell’s fork bomb', ['bash', '-c', FORK_BOMB]],
    [
      'a fork bomb that leaves sessions and continues what is stopped',
      [
        'python3',
        '-c',
        `
import os, signal
while True:
    try:
        if os.fork() == 0: os.setsid()
        os.kill(-1, signal.SIGCONT)
    except OSError: pass
`,
      ],
    ],
  ])('ends %s while another command goes on', async (_, argv) => {
    const other = peer.exec(['cat'], { stdin: true });
    const bomb = peer.exec(argv);
    await bomb.started;
    peer.killTree(bomb, 500);
    expect(await bomb.end()).toMatchObject({ reason: 'killed', lingering: 0 });
    other.write('still here', true);
    expect(await other.end()).toMatchObject({ code: 0 });
    expect(other.stdout).toBe('still here');
    await expectEmpty();
  });

  it('makes room for a command by ending the largest tree, and says so', async () => {
    const bomb = peer.exec([
      'python3',
      '-c',
      `
import os
while True:
    try: os.fork()
    except OSError: os.write(1, b"full")
`,
    ]);
    await bomb.until((exec) => exec.stdout.includes('full'));
    const exec = peer.exec(['echo', 'room']);
    expect(await exec.end()).toMatchObject({ code: 0, reason: 'self' });
    expect(exec.stdout).toBe('room\n');
    expect(await bomb.end()).toMatchObject({ reason: 'pids', lingering: 0 });
    await expectEmpty();
  });
});
