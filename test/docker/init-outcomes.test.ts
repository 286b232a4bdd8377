// cloister-init says once, and truthfully, how a command ended and what it wrote.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { InitPeer } from '../support/init-peer.ts';

const [ENOENT, EACCES, ENOEXEC, EAGAIN, E2BIG] = [2, 13, 8, 11, 7];
const [STAGE_CWD, STAGE_EXEC, STAGE_TABLE] = [2, 4, 5];

describe('the outcome of a command', () => {
  let peer: InitPeer;
  beforeAll(async () => {
    peer = await InitPeer.start({ pids: 1024 });
  });
  afterAll(() => peer[Symbol.asyncDispose]());

  it.each([
    ['its exit code', 'exit 7', { code: 7, signal: null, reason: 'self', oomLike: false }],
    ['a signal nobody here sent', 'kill -SEGV $$', { code: null, signal: 11, reason: 'self', oomLike: false }],
    ['a SIGKILL that init did not send, which may be the OOM killer', 'kill -9 $$', { signal: 9, reason: 'self', oomLike: true }],
    ['exit status 137, which may be a child the OOM killer took', 'exit 137', { code: 137, reason: 'self', oomLike: true }],
  ])('is %s', async (_, command, expected) => {
    expect(await peer.exec(command).end()).toMatchObject({ ...expected, lingering: 0 });
  });

  it.each([
    ['a program that does not exist', ['no-such-program'], {}, { error: ENOENT, stage: STAGE_EXEC }],
    ['a path that does not exist', ['/no/such/program'], {}, { error: ENOENT, stage: STAGE_EXEC }],
    ['an empty name', [''], {}, { error: ENOENT, stage: STAGE_EXEC }],
    ['a file that may not be executed', ['/etc/passwd'], {}, { error: EACCES, stage: STAGE_EXEC }],
    ['a directory in PATH of that name', ['share'], { env: { PATH: '/usr' } }, { error: EACCES, stage: STAGE_EXEC }],
    ['an argument beyond the kernel’s bound', ['true', 'x'.repeat(140_000)], {}, { error: E2BIG, stage: STAGE_EXEC }],
    ['a working directory that does not exist', ['true'], { cwd: '/nowhere' }, { error: ENOENT, stage: STAGE_CWD }],
  ])('is that it was not started, for %s', async (_, argv, options, expected) => {
    expect(await peer.exec(argv, options).end()).toMatchObject({ reason: 'notStarted', code: 0, ...expected });
  });

  it('is that it was not started for a file that is no program, which is never handed to a shell', async () => {
    await peer.exec('printf "touch ran\\n" >script; chmod +x script').end();
    expect(await peer.exec(['./script']).end()).toMatchObject({ reason: 'notStarted', error: ENOEXEC, stage: STAGE_EXEC });
    expect((await peer.exec('test -e ran').end()).code).toBe(1);
  });

  it('keeps both streams apart, in the order of each, with nothing lost', async () => {
    const exec = peer.exec('i=0; while [ $i -lt 3000 ]; do echo o$i; echo e$i >&2; i=$((i+1)); done');
    const report = await exec.end();
    const lines = (letter: string): string => Array.from({ length: 3000 }, (_, i) => `${letter}${i}\n`).join('');
    expect(exec.stdout).toBe(lines('o'));
    expect(exec.stderr).toBe(lines('e'));
    expect(report).toMatchObject({ outputBytes: exec.received, stderrBytes: lines('e').length });
  });

  it('looks for a program in the PATH of the command’s own environment', async () => {
    const exec = peer.exec(['env'], { env: { PATH: '/nowhere:/usr/bin', ONLY: 'this' } });
    await exec.end();
    expect(exec.stdout).toBe('PATH=/nowhere:/usr/bin\nONLY=this\n');
  });

  it('counts what the command left behind, whose output no longer holds it up', async () => {
    const exec = peer.exec('(sleep 1000; echo late) & echo early');
    expect(await exec.exit).toMatchObject({ code: 0, lingering: 2 });
    expect(exec.stdout).toBe('early\n');
    peer.killTree(exec, 0);
    await exec.gone;
  });

  it('measures the largest process of the tree', async () => {
    const report = await peer.exec(['python3', '-c', 'b = bytearray(64 << 20)']).end();
    expect(report.maxRssKib).toBeGreaterThan(64 * 1024);
  });

  it('is that the table is full for one command more than it holds, and the others go on', async () => {
    // A slot is free when its supervisor is reaped, a moment after the EXIT.
    await eventually(
      () => peer.container.commands(),
      (commands) => commands.length === 3,
    );
    const running = Array.from({ length: 128 }, () => peer.exec(['sleep', '1000']));
    expect(await peer.exec(['true']).end()).toMatchObject({ reason: 'notStarted', error: EAGAIN, stage: STAGE_TABLE });
    for (const exec of running) peer.killTree(exec, 0);
    for (const exec of running) expect((await exec.end()).reason).toBe('killed');
    expect((await peer.exec(['true']).end()).code).toBe(0);
  });
});
