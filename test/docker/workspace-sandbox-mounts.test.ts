// What a container sees of run directories and workspaces: the flags of their source, the socket, and its own nonce.

import { once } from 'node:events';
import { lstat, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseMountInfo } from '../../daemon/workspace/mount-table.ts';
import { listMounts } from '../../daemon/workspace/mounts.ts';
import { openWorkspaceStore } from '../../daemon/workspace/open-store.ts';
import { runCommand } from '../../daemon/workspace/run-command.ts';
import { RuntimeDirs } from '../../daemon/workspace/runtime-dirs.ts';
import { newWorkspaceId, type WorkspaceStore } from '../../daemon/workspace/store.ts';
import { MIB, newStateDir, removeStateDir, runAs, silentLog } from '../contract/workspace-store-contract.ts';
import { emptyImage, testDriver } from '../support/test-engine.ts';

const UID = 231_500;

/** PID 1 of the test: sends its nonce and what became of three forbidden things, then waits. */
const PROBE = `
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
int main(void) {
  struct sockaddr_un to = {.sun_family = AF_UNIX};
  strcpy(to.sun_path, "/run/cloister/control.sock");
  int peer = socket(AF_UNIX, SOCK_STREAM, 0);
  if (connect(peer, (struct sockaddr *)&to, sizeof to) != 0) return errno;
  char nonce[64] = {0};
  int file = open("/run/cloister/nonce", O_RDONLY);
  if (file >= 0) read(file, nonce, sizeof nonce - 1);
  int removed = unlink("/run/cloister/control.sock") ? errno : 0;
  int created = open("/run/cloister/new", O_CREAT | O_WRONLY, 0600) < 0 ? errno : 0;
  int replaced = open("/run/cloister-init", O_WRONLY) < 0 ? errno : 0;
  int written = open("/readonly/new", O_CREAT | O_WRONLY, 0600) < 0 ? errno : 0;
  int mine = open("/workspace/new", O_CREAT | O_WRONLY, 0600) < 0 ? errno : 0;
  dprintf(peer, "%s %d %d %d %d %d\\n", nonce, removed, created, replaced, written, mine);
  for (;;) pause();
}`;

describe('mounts inside a sandbox', () => {
  const driver = testDriver();
  let stateDir = '';
  let initBinary = '';
  let dirs: RuntimeDirs;
  let store: WorkspaceStore;

  beforeAll(async () => {
    stateDir = await newStateDir();
    initBinary = join(stateDir, 'probe');
    await writeFile(`${initBinary}.c`, PROBE);
    await runCommand('gcc', ['-static', '-O1', '-w', '-o', initBinary, `${initBinary}.c`]);
    dirs = await RuntimeDirs.open({ stateDir, initBinary, log: silentLog });
    store = await openWorkspaceStore({
      stateDir,
      kind: 'btrfs',
      poolBytes: 512 * MIB,
      floorBytes: MIB,
      acceptNoQuota: false,
      log: silentLog,
    });
  });
  afterAll(async () => {
    await dirs.dispose();
    await store.dispose();
    await removeStateDir(stateDir);
  });

  it('are what their sources are: the run directory read-only yet connectable, init executable, the workspace writable', async () => {
    const slot = await dirs.createSlot('sb_abc', { uid: UID, gid: UID, nonce: 'secret-nonce', files: { 'etc/passwd': 'x:x\n' } });
    const id = newWorkspaceId();
    const { path } = await store.create({ id, uid: UID, gid: UID, maxBytes: 16 * MIB, tenant: 'acme' });
    const server = createServer();
    const said = once(server, 'connection').then(async ([socket]) => String((await once(socket as Socket, 'data'))[0]));
    await new Promise<void>((resolve) => server.listen({ path: join(slot.dir, 'control.sock'), writableAll: true }, resolve));
    const bind = (source: string, target: string) => ({ Type: 'bind', Source: source, Target: target }) as const;
    const container = await driver.createContainer(
      {
        Image: await emptyImage(driver),
        User: `${UID}:${UID}`,
        Entrypoint: ['/run/cloister-init'],
        HostConfig: {
          NetworkMode: 'none',
          ReadonlyRootfs: true,
          CapDrop: ['ALL'],
          Mounts: [
            bind(slot.source, '/run/cloister'),
            bind(dirs.initSource, '/run/cloister-init'),
            bind(join(slot.source, 'etc/passwd'), '/etc/passwd'),
            bind(path, '/workspace'),
            bind(store.readonlyPath(id), '/readonly'),
          ],
        },
      },
      `cloister-test-mounts-${id}`,
    );
    try {
      await driver.start(container);
      const pid = (await driver.inspect(container)).State.Pid;
      const table = parseMountInfo(await readFile(`/proc/${pid}/mountinfo`, 'utf8'));
      const security = (target: string) =>
        table
          .find((entry) => entry.target === target)
          ?.flags.filter((flag) => ['ro', 'rw', 'nosuid', 'nodev', 'noexec'].includes(flag))
          .join(',');
      expect(
        Object.fromEntries(
          ['/run/cloister', '/run/cloister-init', '/etc/passwd', '/workspace', '/readonly'].map((target) => [target, security(target)]),
        ),
      ).toEqual({
        '/run/cloister': 'ro,nosuid,nodev,noexec',
        '/run/cloister-init': 'ro,nosuid,nodev',
        '/etc/passwd': 'ro,nosuid,nodev,noexec',
        '/workspace': 'rw,nosuid,nodev',
        '/readonly': 'ro,nosuid,nodev',
      });
      // EROFS is 30, EACCES 13: only init itself is refused by its mode before its mount could.
      expect(await said).toBe('secret-nonce 30 30 13 30 0\n');
      expect((await lstat(join(path, 'new'))).uid).toBe(UID);
    } finally {
      await driver.remove(container, { force: true });
      await new Promise((resolve) => server.close(resolve));
      await store.remove(id);
      await dirs.removeSlot('sb_abc');
    }
  });
});

describe('run directories', () => {
  let stateDir = '';
  let initBinary = '';
  beforeAll(async () => {
    stateDir = await newStateDir();
    initBinary = join(stateDir, 'init');
    await writeFile(initBinary, '#!/bin/sh\necho one\n');
  });
  afterAll(async () => {
    await removeStateDir(stateDir);
  });

  it('are adopted with their slots after a crash, and the nonce is for one uid, once', async () => {
    const dirs = await RuntimeDirs.open({ stateDir, initBinary, log: silentLog });
    const slot = await dirs.createSlot('one', { uid: UID, gid: UID, nonce: Buffer.from('n'), files: { 'etc/hosts': 'h' } });
    await expect(dirs.createSlot('one', { uid: UID, gid: UID, nonce: 'n', files: {} })).rejects.toMatchObject({ code: 'EEXIST' });
    expect((await runAs(UID + 1, slot.source, 'cat nonce etc/hosts; echo x > etc/new; ls')).stderr).toMatch(
      /nonce: Permission denied[\s\S]*Read-only file system[\s\S]*Permission denied/,
    );
    expect((await runAs(UID, slot.source, 'cat nonce etc/hosts')).stdout).toBe('nh');
    const mounts = (await listMounts(stateDir)).map(({ target }) => target);
    await writeFile(initBinary, '#!/bin/sh\necho two\n');
    const again = await RuntimeDirs.open({ stateDir, initBinary, log: silentLog });
    expect((await listMounts(stateDir)).map(({ target }) => target)).toEqual(mounts);
    expect(await again.listSlots()).toEqual(['one']);
    expect((await runAs(UID, '/', again.initSource)).code).not.toBe(0);
    expect(await readFile(again.initSource, 'utf8')).toContain('two');
    await again.removeNonce('one');
    await expect(lstat(join(slot.dir, 'nonce'))).rejects.toMatchObject({ code: 'ENOENT' });
    await again.removeSlot('one');
    await again.removeSlot('one');
    expect(await again.listSlots()).toEqual([]);
    await again.dispose();
    expect(await listMounts(stateDir)).toEqual([]);
  });

  it('refuse names that leave the directory, and a state directory too long for a socket path', async () => {
    const dirs = await RuntimeDirs.open({ stateDir, initBinary, log: silentLog });
    for (const name of ['../x', '', 'a/b', '.', 'A', 'x'.repeat(33)]) expect(() => dirs.slot(name)).toThrow(/Cannot use slot/);
    await expect(dirs.createSlot('two', { uid: UID, gid: UID, nonce: 'n', files: { '../escape': 'x' } })).rejects.toThrow(/not acceptable/);
    expect(await dirs.listSlots()).toEqual([]);
    await dirs.dispose();
    const long = join(stateDir, 'd'.repeat(80));
    await mkdir(long);
    await expect(RuntimeDirs.open({ stateDir: long, initBinary, log: silentLog })).rejects.toMatchObject({
      code: 'INVALID_REQUEST',
      hint: expect.stringContaining('shorter path') as string,
    });
    await rm(long, { recursive: true });
  });
});
