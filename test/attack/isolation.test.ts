// Two tenants on one host: nothing of one can be seen, reached, guessed or disturbed from the other's sandbox.

import { once } from 'node:events';
import { readFile, stat } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Cloister, Sandbox } from '../../client/index.ts';
import { codeOf } from '../support/eventually.ts';
import { processesOf } from '../support/host-view.ts';
import { startTestDaemon, type TestDaemon } from '../support/test-daemon.ts';

const SECRET = 'the-secret-of-acme';

let daemon: TestDaemon;
let acmeClient: Cloister;
let globexClient: Cloister;
let acme: Sandbox;
let globex: Sandbox;

beforeAll(async () => {
  // The floor would refuse these attacks before they start; here the kernel has to hold them.
  daemon = await startTestDaemon({ config: { permissions: { hardFloor: false } } });
  [acmeClient, globexClient] = await Promise.all([daemon.connect('acme'), daemon.connect('globex')]);
  [acme, globex] = await Promise.all([acmeClient.open({ session: 'shared-name' }), globexClient.open({ session: 'shared-name' })]);
  await acme.files.write('secret.txt', SECRET);
  await acme.exec(
    `echo ${SECRET} > /tmp/secret.txt; echo ${SECRET} > /dev/shm/secret.txt; chmod -R 777 /workspace /tmp/secret.txt /dev/shm/secret.txt`,
  );
  acme.exec(['bash', '-c', `exec -a ${SECRET} sleep 600`], { background: true, env: { SECRET } }).then(
    () => undefined,
    () => undefined,
  );
  await acme.execs();
});
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
});

describe('the files of another tenant', () => {
  test.each<[string, string]>([
    ['by their path', 'cat /workspace/secret.txt /tmp/secret.txt /dev/shm/secret.txt'],
    [
      'by searching everywhere',
      `grep -rl ${SECRET} / --exclude-dir=proc --exclude-dir=sys 2>/dev/null; grep -al ${SECRET} /proc/*/environ /proc/*/cmdline 2>/dev/null | grep -v self | xargs -r grep -L grep`,
    ],
    ['by .. from the workspace', 'cat /workspace/../*/secret.txt /workspace/../../*/secret.txt; cd /workspace/..; ls -d */secret.txt'],
    ['through the root of PID 1', 'cat /proc/1/root/workspace/secret.txt; ls /proc/1/root/../'],
    ['through the descriptors of PID 1', 'ls -l /proc/1/fd /proc/1/cwd /proc/1/exe; cat /proc/1/environ /proc/1/maps'],
    [
      'through a symlink to where workspaces lie on the host',
      'awk \'$5=="/workspace"{print $4}\' /proc/self/mountinfo | while read -r path; do ln -sfn "$(dirname "$path")" /workspace/up; done; cat /workspace/up/*/secret.txt',
    ],
    [
      'by a file handle of the file system below',
      'python3 -c \'import ctypes,os;l=ctypes.CDLL(None,use_errno=True);b=ctypes.create_string_buffer(128);b[0:4]=(20).to_bytes(4,"little");m=ctypes.c_int();r=l.name_to_handle_at(-100,b"/workspace",b,ctypes.byref(m),0);print(r);d=os.open("/workspace",0);print(l.open_by_handle_at(d,b,0))\'',
    ],
  ])('are not found %s', async (_, command) => {
    const { stdout, stderr } = await globex.exec(command, { timeoutMs: 60_000 });
    expect(stdout + stderr).not.toContain(SECRET);
  });

  test.each<[string, (box: Sandbox) => Promise<unknown>, RegExp]>([
    ['a relative path', (box) => box.files.read('secret.txt'), /^FILE_NOT_FOUND$/],
    ['..', (box) => box.files.read('../secret.txt'), /^PATH_ESCAPES_WORKSPACE$/],
    [
      'a symlink to an absolute path',
      (box) => box.files.symlink('/proc/1/root/workspace/secret.txt', 'abs').then(() => box.files.read('abs')),
      /^(PATH_ESCAPES_WORKSPACE|PERMISSION_DENIED)$/,
    ],
    [
      'a symlink with ..',
      (box) => box.files.symlink('../../../../../../etc/shadow', 'dots').then(() => box.files.read('dots')),
      /^(PATH_ESCAPES_WORKSPACE|PERMISSION_DENIED)$/,
    ],
    [
      'a symlink to a directory above',
      (box) => box.files.symlink('..', 'above').then(() => box.files.list('above')),
      /^(PATH_ESCAPES_WORKSPACE|PERMISSION_DENIED)$/,
    ],
    [
      'a magic link',
      (box) => box.files.symlink('/proc/self/root', 'magic').then(() => box.files.read('magic/etc/passwd')),
      /^(PATH_ESCAPES_WORKSPACE|PERMISSION_DENIED)$/,
    ],
    [
      'a write through a symlinked parent',
      (box) => box.files.symlink('/tmp', 'tmp').then(() => box.files.write('tmp/planted', 'x')),
      /^(PATH_ESCAPES_WORKSPACE|PERMISSION_DENIED|NOT_DIRECTORY)$/,
    ],
    ['a FIFO', (box) => box.exec('mkfifo pipe').then(() => box.files.read('pipe')), /^NOT_REGULAR_FILE$/],
  ])('are not reached by the file API through %s', async (_, call, codes) => {
    expect(await codeOf(call(globex))).toMatch(codes);
  });
});

describe('a sandbox sees', () => {
  test('no process but its own', async () => {
    const { stdout } = await globex.exec('ps -eo pid,args --no-headers');
    expect(stdout).not.toContain(SECRET);
    expect(stdout).toMatch(/^\s*1 /);
    expect(stdout.trim().split('\n').length).toBeLessThan(12);
  });

  test('no interface but loopback, no route, and no name resolves', async () => {
    const { stdout } = await globex.exec(
      'tail -n +3 /proc/net/dev | cut -d: -f1; tail -n +2 /proc/net/route; getent hosts example.com host.docker.internal',
    );
    expect(stdout.trim()).toBe('lo');
  });

  test('nothing that listens on the host, not even on loopback', async () => {
    const server = createServer((socket) => socket.end('host service')).listen(0, '0.0.0.0');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    const script = `import socket
for host in ("127.0.0.1", "172.17.0.1", "10.0.2.2", "169.254.169.254", "::1"):
    try:
        s = socket.create_connection((host, ${port}), 1); print(host, s.recv(100))
    except OSError as e: print(host, "refused")`;
    const { stdout } = await globex.exec(['python3', '-c', script], { timeoutMs: 20_000 });
    server.close();
    expect(stdout).not.toContain('host service');
    expect(stdout.match(/refused/g)).toHaveLength(5);
  });

  test("neither its tenant's, its session's nor the host's name", async () => {
    const { stdout } = await globex.exec('hostname; env; cat /proc/self/mountinfo /proc/self/cgroup /etc/hostname /etc/hosts /etc/passwd');
    expect(stdout).not.toMatch(/globex|acme|shared-name/);
  });
});

describe('signals and tracing', () => {
  test('do not cross over: neither kill nor ptrace finds a process of the other', async () => {
    const before = await processesOf(daemon.driver, acme.id);
    await globex.exec('for pid in $(seq 2 400); do kill -0 $pid 2>/dev/null; done; kill -9 -1', { timeoutMs: 20_000 });
    const after = await processesOf(daemon.driver, acme.id);
    expect(after.map(({ pid }) => pid)).toEqual(expect.arrayContaining(before.map(({ pid }) => pid)));
    expect((await globex.exec('echo alive')).stdout).toBe('alive\n');
  });
});

test('what a client sends cannot become a mount, a user, a privilege or a working directory', async () => {
  const inspected = await daemon.driver.inspect(`cloister-${globex.id}`);
  const config = JSON.stringify(inspected);
  expect(config).not.toMatch(/docker\.sock|"Privileged":true|unconfined/);
  expect(inspected.HostConfig).toMatchObject({ Privileged: false, ReadonlyRootfs: true, NetworkMode: 'none' });
  expect(inspected.Config).toMatchObject({ User: `${globex.receipt.uid}:${globex.receipt.gid}`, WorkingDir: '/workspace' });
});

test('the state directory is closed to every other uid of the host, and holds no token', async () => {
  const { stdout } = await globex.exec('id -u');
  expect(Number(stdout)).toBe(globex.receipt.uid);
  const { mode } = await stat(daemon.stateDir);
  expect(mode & 0o077).toBe(0);
  const audit = await readFile(join(daemon.stateDir, 'audit.jsonl'), 'utf8');
  expect(audit).not.toContain(await daemon.token('acme'));
});
