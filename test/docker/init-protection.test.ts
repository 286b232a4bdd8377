// A tenant can't reach PID 1: not by signals, limits or /proc; nor take the proxy's port, nor what init alone may know.
import { chmod } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DOWN, UP } from '../../daemon/link/frames.ts';
import { InitPeer } from '../support/init-peer.ts';

const EPERM = 1;
const python = (program: string): string[] => ['python3', '-c', program];

describe('PID 1 of a sandbox', () => {
  let peer: InitPeer;
  beforeAll(async () => {
    peer = await InitPeer.start();
  });
  afterAll(() => peer[Symbol.asyncDispose]());

  it.each([
    ['every signal', 'for n in range(1, 65): os.kill(1, n)'],
    [
      'signals that claim to come from outside',
      `
info = (ctypes.c_int * 32)(); info[0] = 15; info[2] = -1
libc.syscall(129, 1, 15, info)`,
    ],
    ['a limit on its processor time', 'libc.prlimit(1, 0, (ctypes.c_long * 2)(0, 0), None)'],
    ['a limit on its descriptors', 'libc.prlimit(1, 7, (ctypes.c_long * 2)(0, 0), None)'],
    ['a lower priority', 'libc.setpriority(0, 1, 19)'],
    ['its death as the parent of all', 'os.kill(-1, 9)'],
  ])('survives %s', async (_, attempt) => {
    await peer.exec(python(`import ctypes, os\nlibc = ctypes.CDLL(None)\n${attempt}`)).end();
    const exec = peer.exec(['echo', 'alive']);
    expect((await exec.end()).code).toBe(0);
    expect(exec.stdout).toBe('alive\n');
  });

  it('shows neither its descriptors nor its memory, and none of its helpers do', async () => {
    const exec = peer.exec(
      python(`
import os
for pid in filter(str.isdigit, os.listdir("/proc")):
    if int(pid) == os.getpid(): continue
    for act in (lambda: os.listdir(f"/proc/{pid}/fd"), lambda: open(f"/proc/{pid}/mem", "rb"), lambda: open(f"/proc/{pid}/environ").read(),
                lambda: os.readlink(f"/proc/{pid}/exe")):
        try: print("open:", pid, act())
        except PermissionError: pass
`),
    );
    expect((await exec.end()).code).toBe(0);
    expect(exec.stdout).toBe('');
  });

  it('gives a command three descriptors, default signals and the higher OOM score', async () => {
    const exec = peer.exec(
      'ls /proc/self/fd | tr "\\n" " "; cat /proc/self/oom_score_adj /proc/1/oom_score_adj; grep -E "Sig(Blk|Ign)" /proc/$$/status; umask',
    );
    await exec.end();
    expect(exec.stdout).toBe('0 1 2 3 900\n500\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n0022\n');
  });

  it('tells what it may not do', async () => {
    peer.send(DOWN.report, 0, 0);
    const frame = await peer.other();
    expect(frame.type).toBe(UP.selfReport);
    expect([0, 4, 8, 12, 16].map((at) => frame.body.readUInt32LE(at))).toEqual([EPERM, EPERM, EPERM, EPERM, EPERM]);
    expect(frame.body.readUInt32LE(20)).toBe(1);
    expect(frame.body.subarray(24).toString()).toMatch(/^NoNewPrivs:\t1$[\s\S]*^Seccomp:\t2$/m);
  });

  it('holds port 3128 whatever the tenant kills, and relays it as it is', async () => {
    const egress = createServer({ allowHalfOpen: true });
    egress.on('connection', (socket) => {
      let asked = '';
      socket.on('data', (bytes) => (asked += bytes.toString()));
      socket.on('end', () => socket.end(`answer to ${asked}`));
    });
    const path = join(peer.container.runDir, 'egress.sock');
    await new Promise<void>((resolve) => egress.listen(path, resolve));
    await chmod(path, 0o666);
    const ask = python(
      'import socket\ns = socket.create_connection(("127.0.0.1", 3128)); s.sendall(b"this"); s.shutdown(1); print(s.recv(99))',
    );
    const rebind = python('import socket\ns = socket.socket(); s.setsockopt(1, 2, 1); s.setsockopt(1, 15, 1); s.bind(("127.0.0.1", 3128))');
    await peer.exec('kill -9 -1').end();
    expect((await peer.exec(rebind).end()).code).toBe(1);
    const exec = peer.exec(ask);
    await exec.end();
    expect(exec.stdout).toBe("b'answer to this'\n");
    egress.close();
  });

  it('closes a connection to port 3128 at once where no egress is given', async () => {
    const exec = peer.exec(python('import socket\nprint(socket.create_connection(("127.0.0.1", 3128)).recv(9))'));
    await exec.end();
    expect(exec.stdout).toBe("b''\n");
  });

  it('refuses to run as anything but PID 1', async () => {
    const exec = peer.exec(['/cloister-init']);
    expect((await exec.end()).code).toBe(2);
  });
});
