// Reads everything the doctor judges: files of the kernel, the engine, the state directory. Changes nothing, decides nothing;
// what cannot be read is null.

import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import { access, readFile, realpath, statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { DockerDriver } from '../container/docker-driver.ts';
import { missingControllers, readCgroupFacts } from '../container/engine/cgroup-support.ts';
import { engineLayout } from '../container/engine/engine-layout.ts';
import { findEngine } from '../container/engine/find-engine.ts';
import { findProgram } from '../container/engine/find-program.ts';
import { missingFeatures } from '../container/open-engine.ts';
import { loadSeccompProfile } from '../container/seccomp-profile.ts';
import type { Clock } from '../observe/clock.ts';
import type { DoctorFacts, DoctorSettings } from './facts.ts';
import { BACKUP_MARK, readAudit, readStateFiles } from './state-facts.ts';
import { fileFacts, orNull } from './file-facts.ts';

const SYSCTLS = [
  'kernel.unprivileged_bpf_disabled',
  'kernel.kptr_restrict',
  'kernel.dmesg_restrict',
  'dev.tty.legacy_tiocsti',
  'kernel.io_uring_disabled',
  'kernel.yama.ptrace_scope',
  'user.max_user_namespaces',
  'kernel.unprivileged_userns_clone',
];
const SECCOMP_PROFILES = ['strict', 'debug'];
const BTRFS_TOOLS = ['btrfs', 'mkfs.btrfs', 'losetup'];
/** What time services leave behind while the clock is kept right. */
const TIME_MARKS = [
  '/run/systemd/timesync/synchronized',
  '/run/chrony/chronyd.pid',
  '/run/chronyd.pid',
  '/run/ntpd.pid',
  '/var/run/ntpd.pid',
];
const PROGRAM_LIMIT_MS = 5000;

export interface DoctorHost {
  readonly settings: DoctorSettings;
  readonly engineSocket: string | undefined;
  readonly dockerHost: string | undefined;
  readonly seccompDir: string;
  readonly platform: string;
  readonly arch: string;
  readonly isRoot: boolean;
  readonly clock: Clock;
}

export async function gatherFacts(host: DoctorHost): Promise<DoctorFacts> {
  const { settings } = host;
  const stateDir = await realpath(settings.stateDir).catch(() => settings.stateDir);
  const state = await readStateFiles(stateDir);
  const cgroup = await readCgroupFacts().catch(() => ({ mounts: '', unifiedControllers: null }));
  return {
    settings,
    nowMs: host.clock.now(),
    platform: host.platform,
    arch: host.arch,
    isRoot: host.isRoot,
    kernelRelease: ((await textOf('/proc/sys/kernel/osrelease')) ?? '').trim(),
    sysctls: Object.fromEntries(await Promise.all(SYSCTLS.map(async (key) => [key, await sysctl(key)] as const))),
    securityModules: (await textOf('/sys/kernel/security/lsm'))?.trim().split(',') ?? null,
    loadedModules: ((await textOf('/proc/modules')) ?? '').split('\n').flatMap((line) => line.split(' ')[0] || []),
    cgroup: { version: cgroup.unifiedControllers === null ? 1 : 2, missing: missingControllers(cgroup) },
    engine: await readEngine(host, stateDir),
    runcVersion: await readRuncVersion(),
    seccomp: await Promise.all(
      SECCOMP_PROFILES.map(async (name) => ({
        name,
        error: await loadSeccompProfile({ directory: host.seccompDir, name }).then(
          () => null,
          (error: unknown) => (error instanceof Error ? error.message : String(error)),
        ),
      })),
    ),
    btrfsLack: await btrfsLack(),
    isClockSynchronised: await anyThere(TIME_MARKS),
    disk: await readDisk(stateDir),
    stateFiles: state.files,
    stateParents: state.parents,
    configFile: settings.configFile === null ? null : await fileFacts(settings.configFile),
    tokenKeys: state.files.filter(({ path }) => /\/token-[^/]*$/.test(path)),
    audit: await readAudit(settings.auditFile, settings.auditKeyFile),
    newestStateMs: state.files.reduce<number | null>((newest, { modifiedAtMs }) => Math.max(newest ?? 0, modifiedAtMs), null),
    lastBackupMs: (await fileFacts(join(stateDir, BACKUP_MARK)))?.modifiedAtMs ?? null,
  };
}

const textOf = (path: string): Promise<string | null> => orNull(readFile(path, 'utf8'));

const sysctl = async (key: string): Promise<string | null> => (await textOf(`/proc/sys/${key.replaceAll('.', '/')}`))?.trim() ?? null;

/** The engine that the daemon would use; of its own one, the socket under the state directory. */
async function readEngine(host: DoctorHost, stateDir: string): Promise<DoctorFacts['engine']> {
  const own = engineLayout(stateDir).socketPath;
  const mode = host.settings.privateEngine;
  const found =
    mode === 'always'
      ? ({ verdict: 'absent', reason: 'its own one does not run' } as const)
      : await findEngine({ dockerHost: host.dockerHost, socketPath: host.engineSocket });
  const socketPath = found.verdict === 'found' ? found.socketPath : mode !== 'never' && (await anyThere([own])) ? own : null;
  const canStartOwn = mode !== 'never' && found.verdict !== 'refused' && (await findProgram('dockerd')) !== null;
  if (found.verdict !== 'found' && socketPath === null) return { error: found.reason, canStartOwn };
  try {
    const info = await new DockerDriver({ socketPath: socketPath ?? own }).info();
    return { socketPath: socketPath ?? own, info, missing: missingFeatures(info) };
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error), canStartOwn };
  }
}

/** Of the program that an engine of this host starts; its first line is `runc version X`. */
async function readRuncVersion(): Promise<string | null> {
  const program = await findProgram('runc');
  if (program === null) return null;
  const text = await new Promise<string>((resolve) => {
    execFile(program, ['--version'], { timeout: PROGRAM_LIMIT_MS, maxBuffer: 65_536, env: {} }, (_error, stdout) => resolve(stdout));
  });
  return /^runc version (\S{1,64})/m.exec(text)?.[1] ?? null;
}

async function btrfsLack(): Promise<string | null> {
  for (const tool of BTRFS_TOOLS) if ((await findProgram(tool)) === null) return `the command ${tool} is missing`;
  if (/\bbtrfs$/m.test((await textOf('/proc/filesystems')) ?? '')) return null;
  const release = ((await textOf('/proc/sys/kernel/osrelease')) ?? '').trim();
  // The module is loaded when the daemon needs it.
  const modules = (await textOf(`/lib/modules/${release}/modules.dep`)) ?? '';
  return /\/btrfs\.ko/.test(modules) ? null : 'the kernel has no btrfs';
}

async function readDisk(stateDir: string): Promise<DoctorFacts['disk']> {
  for (let place = stateDir; ; place = dirname(place)) {
    const space = await orNull(statfs(place));
    if (space !== null)
      return {
        freeBytes: space.bavail * space.bsize,
        totalBytes: space.blocks * space.bsize,
        freeInodes: space.ffree,
        totalInodes: space.files,
      };
    if (place === dirname(place)) return { freeBytes: 0, totalBytes: 0, freeInodes: 0, totalInodes: 0 };
  }
}

async function anyThere(paths: readonly string[]): Promise<boolean> {
  const there = await Promise.all(
    paths.map((path) =>
      access(path, constants.F_OK).then(
        () => true,
        () => false,
      ),
    ),
  );
  return there.includes(true);
}
