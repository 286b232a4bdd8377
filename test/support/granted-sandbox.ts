// A sandbox on a real engine without a daemon: the host side (run directory, init, workspace), a grant for it, and
// containers from any create body with the report of a stand-in for init.
import { randomUUID } from 'node:crypto';
import { chown, mkdir, mkdtemp, readFile, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import type { ContainerCreateBody, ContainerDriver } from '../../daemon/container/driver.ts';
import { type SandboxGrant, shmBytesFor } from '../../daemon/container/grant.ts';
import { InitReport } from '../../daemon/container/receipt-verify.ts';
import { loadSeccompProfile } from '../../daemon/container/seccomp-profile.ts';
import { SECCOMP_DIRECTORY } from './seccomp-directory.ts';
import { sandboxEtcFiles } from '../../daemon/container/spec-etc-files.ts';
import { bindMount, mountTmpfs, unmountAllUnder } from '../../daemon/workspace/mounts.ts';
import { runCommand } from '../../daemon/workspace/run-command.ts';
import { RuntimeDirs } from '../../daemon/workspace/runtime-dirs.ts';
import { emptyImage } from './test-engine.ts';

const UID = 200_001;
const MEBIBYTE = 1024 * 1024;
const MEMORY_BYTES = 128 * MEBIBYTE;
const REPORT_ATTEMPTS = 200;
const ATTEMPT_MS = 25;

export interface GrantedHost extends AsyncDisposable {
  readonly grant: SandboxGrant;
  /** A host directory on a mount without nosuid and nodev. */
  readonly plainDir: string;
  /** The workspace, on a read-only mount. */
  readonly readonlyWorkspace: string;
  /** Another program at another path. */
  readonly otherProgram: string;
}

/** Mounts run directory, init and workspace the way the daemon does, for one sandbox. */
export async function grantedHost(driver: ContainerDriver): Promise<GrantedHost> {
  const stateDir = await realpath(await mkdtemp(join(tmpdir(), 'cloister-granted-')));
  const [initBinary, workspaces, readonlyWorkspaces, plainDir] = ['stand-in-init', 'ws', 'ws-ro', 'plain'].map((name) =>
    join(stateDir, name),
  ) as [string, string, string, string];
  await runCommand('gcc', [
    '-static',
    '-O1',
    '-Wall',
    '-Werror',
    '-o',
    initBinary,
    fileURLToPath(new URL('stand-in-init.c', import.meta.url)),
  ]);
  const dirs = await RuntimeDirs.open({ stateDir, initBinary, log: pino({ level: 'silent' }) });
  const slot = await dirs.createSlot('s1', { uid: UID, gid: UID, nonce: randomUUID(), files: etcFiles() });
  for (const directory of [workspaces, readonlyWorkspaces, plainDir]) await mkdir(directory);
  await mountTmpfs(workspaces, { sizeBytes: MEBIBYTE, inodes: 100, mode: 0o711, flags: ['nosuid', 'nodev'] });
  await mkdir(join(workspaces, 'w1'));
  await chown(join(workspaces, 'w1'), UID, UID);
  await bindMount(workspaces, readonlyWorkspaces, ['ro', 'nosuid', 'nodev']);
  const seccomp = await loadSeccompProfile({ directory: SECCOMP_DIRECTORY, name: 'strict' });
  const limits = {
    memoryBytes: MEMORY_BYTES,
    cpus: 0.5,
    pids: 64,
    diskBytes: 64 * MEBIBYTE,
    tmpBytes: 16 * MEBIBYTE,
    shmBytes: shmBytesFor(MEMORY_BYTES),
  };
  const grant: SandboxGrant = {
    sandboxId: `sb-${randomUUID()}`,
    instanceId: 'test',
    image: { name: 'empty', id: await emptyImage(driver) },
    runtime: 'runc',
    profile: { name: 'workspace-write-no-network', isWorkspaceReadonly: false, seccomp },
    uid: UID,
    gid: UID,
    limits,
    paths: { runDir: slot.source, initPath: dirs.initSource, workspacePath: join(workspaces, 'w1') },
    workspace: { name: 'main', store: 'btrfs', quota: 'hard' },
    policySha256: '0'.repeat(64),
    labels: {},
  };
  return {
    grant,
    plainDir,
    readonlyWorkspace: join(readonlyWorkspaces, 'w1'),
    otherProgram: initBinary,
    async [Symbol.asyncDispose]() {
      await dirs.dispose();
      for (const directory of [readonlyWorkspaces, workspaces]) await unmountAllUnder(directory);
      await rm(stateDir, { recursive: true });
    },
  };
}

const etcFiles = (): Record<string, string> =>
  Object.fromEntries(Object.entries(sandboxEtcFiles({ uid: UID, gid: UID })).map(([name, text]) => [`etc/${name}`, text]));

export interface StartedSandbox {
  readonly containerId: string;
  readonly pid: number;
  readonly initReport: InitReport;
}

/** Starts a container of that body, hands it over once its PID 1 has reported, and removes it in every case. */
export async function withSandbox<T>(
  driver: ContainerDriver,
  body: ContainerCreateBody,
  use: (sandbox: StartedSandbox) => Promise<T>,
): Promise<T> {
  const containerId = await driver.createContainer(body, `cloister-test-granted-${randomUUID()}`);
  try {
    await driver.start(containerId);
    const pid = (await driver.inspect(containerId)).State.Pid;
    return await use({ containerId, pid, initReport: await readReport(pid) });
  } finally {
    await driver.remove(containerId, { force: true });
  }
}

async function readReport(pid: number): Promise<InitReport> {
  for (let attempt = 0; attempt < REPORT_ATTEMPTS; attempt += 1) {
    const text = await readFile(`/proc/${pid}/root/tmp/init-report`, 'utf8').catch(() => undefined);
    if (text !== undefined) return parseReport(text);
    await sleep(ATTEMPT_MS);
  }
  throw new Error('the stand-in for init did not report');
}

function parseReport(text: string): InitReport {
  const [head = '', ...status] = text.split('\n');
  const [pid, mountErrno, unshareErrno, bpfErrno, afAlgErrno, ptraceErrno] = head.split(' ').map(Number);
  return InitReport.parse({ pid, mountErrno, unshareErrno, bpfErrno, afAlgErrno, ptraceErrno, procStatus: status.join('\n') });
}
