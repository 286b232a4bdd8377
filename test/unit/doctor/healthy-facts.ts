// The facts of a host where every check passes; tests change one thing each.

import type { DoctorFacts, DoctorSettings } from '../../../daemon/doctor/facts.ts';

export const NOW = Date.parse('2026-11-22T12:00:00Z');
const GIB = 1024 ** 3;
const DAY_MS = 86_400_000;

const settings: DoctorSettings = {
  stateDir: '/var/lib/cloister',
  configFile: null,
  auditFile: '/var/lib/cloister/audit.jsonl',
  auditKeyFile: '/var/lib/cloister/keys/audit-ed25519.pem',
  listen: '127.0.0.1:7070',
  hasTls: false,
  portsListen: '127.0.0.1:0',
  portsScheme: 'http',
  portsDomain: 'localhost',
  origins: [],
  engineRuntimes: ['runc'],
  privateEngine: 'auto',
  store: 'auto',
  quota: 'hard',
  profiles: {
    readonly: { network: 'none', seccomp: 'strict' },
    'workspace-write-no-network': { network: 'none', seccomp: 'strict' },
    'workspace-write': { network: 'proxy', seccomp: 'strict' },
  },
  defaultProfile: 'workspace-write-no-network',
  images: { node: `node@sha256:${'0'.repeat(64)}` },
  allowPrivate: [],
  ceilings: { perTenant: 3, host: 2 },
  maxSessions: 500,
  idleMs: 1_800_000,
  confirmTimeoutMs: 60_000,
  rules: [{ preset: 'profile' }],
  hasHardFloor: true,
};

const info = {
  engineId: 'id',
  serverVersion: '28.1.0',
  operatingSystem: 'Debian',
  kernelVersion: '6.12.0',
  architecture: 'x86_64',
  cgroupVersion: '2',
  cgroupDriver: 'systemd',
  storageDriver: 'overlay2',
  rootDir: '/var/lib/docker',
  runtimes: ['runc', 'runsc'],
  defaultRuntime: 'runc',
  securityOptions: ['name=seccomp,profile=default'],
  cpus: 8,
  memoryBytes: 64 * GIB,
  isLiveRestore: false,
  canLimitMemory: true,
  canLimitSwap: true,
  canLimitPids: true,
  canLimitCpu: true,
  warnings: [],
};

const file = (path: string, mode: number, more: { uid?: number; days?: number } = {}) => ({
  path,
  mode,
  uid: more.uid ?? 0,
  modifiedAtMs: NOW - (more.days ?? 1) * DAY_MS,
});
export { file as fileOf, info as engineInfo };

const HEALTHY: DoctorFacts = {
  settings,
  nowMs: NOW,
  platform: 'linux',
  arch: 'x64',
  isRoot: true,
  kernelRelease: '6.12.9-amd64',
  sysctls: {
    'kernel.unprivileged_bpf_disabled': '2',
    'kernel.kptr_restrict': '1',
    'kernel.dmesg_restrict': '1',
    'dev.tty.legacy_tiocsti': '0',
    'kernel.io_uring_disabled': '2',
    'kernel.yama.ptrace_scope': '1',
    'user.max_user_namespaces': '0',
    'kernel.unprivileged_userns_clone': null,
  },
  securityModules: ['capability', 'apparmor'],
  loadedModules: ['btrfs'],
  cgroup: { version: 2, missing: [] },
  engine: { socketPath: '/var/run/docker.sock', info, missing: [] },
  runcVersion: '1.3.4',
  seccomp: [
    { name: 'strict', error: null },
    { name: 'debug', error: null },
  ],
  btrfsLack: null,
  isClockSynchronised: true,
  disk: { freeBytes: 50 * GIB, totalBytes: 100 * GIB, freeInodes: 900, totalInodes: 1000 },
  stateFiles: [file('/var/lib/cloister', 0o700), file('/var/lib/cloister/audit.jsonl', 0o600)],
  stateParents: [file('/var/lib', 0o755), file('/', 0o755)],
  configFile: null,
  tokenKeys: [file('/var/lib/cloister/keys/token-ed25519.pem', 0o600, { days: 10 })],
  audit: { verdict: 'holds', records: 12, pruned: 0, seq: 12, head: 12 },
  newestStateMs: NOW - 1000,
  lastBackupMs: NOW - 2 * DAY_MS,
};

/** That host, but for these. */
export const facts = (more: Partial<DoctorFacts> = {}, set: Partial<DoctorSettings> = {}): DoctorFacts => ({
  ...HEALTHY,
  ...more,
  settings: { ...settings, ...set },
});
