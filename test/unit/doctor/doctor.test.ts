// The pre-launch checklist: what each check says of which host, and that nothing required is left out.

import { describe, expect, test } from 'vitest';
import { CHECKS, examine, reportText } from '../../../daemon/doctor/doctor.ts';
import type { DoctorFacts, DoctorSettings } from '../../../daemon/doctor/facts.ts';
import { AREAS } from '../../../daemon/doctor/finding.ts';
import { engineInfo, facts, fileOf, NOW } from './healthy-facts.ts';

const GIB = 1024 ** 3;
const DAY_MS = 86_400_000;
const engine = (more: Partial<typeof engineInfo>, missing: string[] = []) => ({
  engine: { socketPath: '/s', info: { ...engineInfo, ...more }, missing },
});
const sysctl = (key: string, value: string | null) => ({ sysctls: { ...facts().sysctls, [key]: value } });

test('a host as it should be passes every check', () => {
  const report = examine(facts());
  expect(report.findings.filter(({ verdict }) => verdict !== 'pass')).toEqual([]);
  expect(report).toMatchObject({ verdict: 'pass', counts: { pass: CHECKS.length, warn: 0, fail: 0 } });
});

test('every area that must be looked at before a launch has a check, and every check an id of its own', () => {
  expect(AREAS.filter((area) => !CHECKS.some((check) => check.area === area))).toEqual([]);
  expect(new Set(CHECKS.map(({ id }) => id)).size).toBe(CHECKS.length);
});

type Row = [string, string, 'warn' | 'fail', Partial<DoctorFacts>, Partial<DoctorSettings>, string];
const ROWS: Row[] = [
  ['platform', 'another system', 'fail', { platform: 'darwin' }, {}, 'darwin on x64'],
  ['platform', 'another processor', 'fail', { arch: 'riscv64' }, {}, 'linux on riscv64'],
  ['platform', 'not being root', 'fail', { isRoot: false }, {}, 'not run as root'],
  ['engine', 'no engine', 'fail', { engine: { error: 'connect ENOENT', canStartOwn: false } }, {}, 'no engine: connect ENOENT'],
  [
    'engine',
    'no engine but a way to start one',
    'warn',
    { engine: { error: 'connect ENOENT', canStartOwn: true } },
    {},
    'would start its own',
  ],
  ['engine', 'an engine without limits', 'fail', engine({}, ['a swap limit']), {}, 'lacks a swap limit'],
  ['engine', 'a runtime that is not there', 'fail', {}, { engineRuntimes: ['runc', 'kata'] }, 'no runtime kata'],
  ['engine', 'a rootless engine', 'fail', engine({ securityOptions: ['name=seccomp', 'name=rootless'] }), {}, 'rootless'],
  ['engine-version', 'an engine with a flaw', 'warn', engine({ serverVersion: '20.10.24+dfsg1' }), {}, 'CVE-2024-29018'],
  ['engine-version', 'an engine repaired in another line', 'warn', engine({ serverVersion: '25.0.4' }), {}, 'CVE-2024-29018'],
  ['engine-version', 'an engine of no version', 'warn', engine({ serverVersion: 'dev' }), {}, 'the version "dev" is unknown'],
  ['engine-version', 'no engine', 'warn', { engine: { error: 'x', canStartOwn: false } }, {}, 'no engine answers'],
  [
    'runc-version',
    'a runc with flaws',
    'warn',
    { runcVersion: '1.1.5+ds1' },
    {},
    'CVE-2024-21626 (a leaked descriptor leads to the host); CVE-2025-31133',
  ],
  [
    'runc-version',
    'a runc with the younger ones only',
    'warn',
    { runcVersion: '1.1.15' },
    {},
    'runc 1.1.15, by its number, has CVE-2025-31133',
  ],
  ['runc-version', 'a runc candidate', 'warn', { runcVersion: '1.4.0-rc.2' }, {}, 'CVE-2025-31133'],
  ['runc-version', 'no runc to be seen', 'warn', { runcVersion: null }, {}, 'unknown'],
  ['kernel', 'an old kernel', 'warn', { kernelRelease: '5.4.0' }, {}, 'no openat2'],
  ['kernel', 'modules of known flaws', 'warn', { loadedModules: ['rxrpc', 'ext4', 'algif_aead'] }, {}, 'rxrpc, algif_aead'],
  ['sysctls', 'a setting too low', 'warn', sysctl('kernel.kptr_restrict', '0'), {}, 'kernel.kptr_restrict=0 allows kernel addresses'],
  ['sysctls', 'a setting too high', 'warn', sysctl('dev.tty.legacy_tiocsti', '1'), {}, 'dev.tty.legacy_tiocsti=1'],
  ['cgroups', 'a controller that is not there', 'fail', { cgroup: { version: 2, missing: ['pids'] } }, {}, 'cgroup v2 without pids'],
  ['cgroups', 'the first version', 'warn', { cgroup: { version: 1, missing: [] } }, {}, 'cgroup v1'],
  ['lsm', 'no security module', 'warn', { securityModules: ['capability', 'landlock'] }, {}, 'neither AppArmor nor SELinux'],
  ['lsm', 'modules that cannot be read', 'warn', { securityModules: null }, {}, 'neither AppArmor nor SELinux'],
  ['user-namespaces', 'user namespaces for all', 'warn', sysctl('user.max_user_namespaces', '1000'), {}, 'may make user namespaces'],
  ['clock', 'a clock that went back', 'fail', { newestStateMs: NOW + 120_000 }, {}, 'the clock shows 2026-11-22T12:00:00.000Z'],
  ['clock', 'a clock that nobody keeps', 'warn', { isClockSynchronised: false }, {}, 'no time service'],
  ['state-directory', 'no state directory', 'warn', { stateFiles: [] }, {}, 'not made yet'],
  [
    'state-directory',
    'a key others may read',
    'fail',
    { stateFiles: [fileOf('/var/lib/cloister/keys/k', 0o640)] },
    {},
    'others may read or write: /var/lib/cloister/keys/k (mode 0640, uid 0)',
  ],
  ['state-directory', 'a file of another user', 'fail', { stateFiles: [fileOf('/f', 0o600, { uid: 7 })] }, {}, '/f (mode 0600, uid 7)'],
  [
    'state-directory',
    'a parent others may write',
    'fail',
    { stateParents: [fileOf('/srv', 0o777)] },
    {},
    'others may replace the state directory: /srv',
  ],
  [
    'state-directory',
    'a parent of another user',
    'fail',
    { stateParents: [fileOf('/home/u', 0o755, { uid: 7 })] },
    {},
    '/home/u (mode 0755, uid 7)',
  ],
  ['configuration-file', 'a file that is not there', 'fail', {}, { configFile: '/etc/c.json' }, '/etc/c.json cannot be read'],
  [
    'configuration-file',
    'a file in a workspace',
    'fail',
    { configFile: fileOf('/var/lib/cloister/pool/w/c.json', 0o600) },
    { configFile: 'c' },
    'lies in a workspace',
  ],
  [
    'configuration-file',
    'a file others may write',
    'fail',
    { configFile: fileOf('/etc/c.json', 0o622) },
    { configFile: 'c' },
    'others may change',
  ],
  [
    'configuration-file',
    'a file others may read',
    'warn',
    { configFile: fileOf('/etc/c.json', 0o644) },
    { configFile: 'c' },
    'others may read',
  ],
  ['token-age', 'an old key', 'warn', { tokenKeys: [fileOf('/k1', 0o600), fileOf('/k2', 0o600, { days: 91 })] }, {}, '91 days old'],
  ['audit-chain', 'no log', 'warn', { audit: { verdict: 'absent' } }, {}, 'no audit log'],
  ['audit-chain', 'a log that cannot be read', 'fail', { audit: { verdict: 'unreadable', reason: 'EIO' } }, {}, 'EIO'],
  [
    'audit-chain',
    'a broken chain',
    'fail',
    { audit: { verdict: 'broken', file: '/a', line: 7, reason: 'its content was changed' } },
    {},
    '/a, line 7: its content was changed',
  ],
  ['disk-space', 'a full disk', 'fail', { disk: { ...facts().disk, freeBytes: GIB - 1 } }, {}, 'nothing new is admitted'],
  ['disk-space', 'a disk over 85 %', 'warn', { disk: { ...facts().disk, freeBytes: 14 * GIB } }, {}, 'over 85 % used'],
  ['inodes', 'no inodes', 'fail', { disk: { ...facts().disk, freeInodes: 9 } }, {}, '9 of 1000 free'],
  ['inodes', 'few inodes', 'warn', { disk: { ...facts().disk, freeInodes: 99 } }, {}, '99 of 1000 free'],
  ['disk-quota', 'no btrfs', 'fail', { btrfsLack: 'the kernel has no btrfs' }, {}, 'no disk limit can be kept: the kernel has no btrfs'],
  ['disk-quota', 'a store without', 'fail', {}, { store: 'directory' }, 'workspace.store is directory'],
  [
    'disk-quota',
    'a store without that is accepted',
    'warn',
    { btrfsLack: 'the kernel has no btrfs' },
    { quota: 'none' },
    'may have no disk limit',
  ],
  ['backups', 'no backup', 'warn', { lastBackupMs: null }, {}, 'no backup'],
  ['backups', 'an old backup', 'warn', { lastBackupMs: NOW - 8 * DAY_MS }, {}, '8 days ago'],
  ['seccomp-profiles', 'a broken profile', 'fail', { seccomp: [{ name: 'strict', error: 'not JSON' }] }, {}, 'strict: not JSON'],
  ['seccomp-profiles', 'a profile with ptrace', 'warn', {}, { profiles: { dbg: { network: 'none', seccomp: 'debug' } } }, 'dbg'],
  ['permission-rules', 'no floor', 'warn', {}, { hasHardFloor: false }, 'are not refused'],
  [
    'permission-rules',
    'a rule for everything',
    'warn',
    {},
    { rules: [{ preset: 'readonly' }, { tool: '*', action: 'allow', isNarrowed: false }] },
    'rule 2 allows every tool',
  ],
  ['permission-rules', 'the full preset', 'warn', {}, { rules: [{ preset: 'full' }] }, 'rule 1 allows every tool'],
  ['listen-address', 'an address of the network in the clear', 'fail', {}, { listen: '0.0.0.0:7070' }, '0.0.0.0:7070 without TLS'],
  ['preview-address', 'previews reachable as localhost', 'warn', {}, { portsListen: '0.0.0.0:80' }, 'localhost'],
  ['preview-address', 'previews in the clear', 'warn', {}, { portsListen: '[::]:80', portsDomain: 'p.example.com' }, 'not encrypted'],
  [
    'origins',
    'a page in the clear',
    'warn',
    {},
    { origins: ['http://a.example', 'http://localhost:3000'] },
    'may connect: http://a.example',
  ],
  ['egress', 'ranges that are not public', 'warn', {}, { allowPrivate: ['10.1.0.0/16'] }, '10.1.0.0/16'],
  ['egress', 'network by default', 'warn', {}, { defaultProfile: 'workspace-write' }, 'workspace-write has network'],
  ['images', 'an image by tag', 'warn', {}, { images: { node: 'node:20' } }, 'node (node:20)'],
  ['ceilings', 'no ceilings', 'warn', {}, { ceilings: { perTenant: 0, host: 0 } }, 'perTenant and host'],
  ['ceilings', 'none for the host', 'warn', {}, { ceilings: { perTenant: 1, host: 0 } }, 'no ceilings host'],
  ['sessions', 'sessions that stay for days', 'warn', {}, { idleMs: 2 * DAY_MS }, '2880 idle minutes'],
  ['sessions', 'more than memory holds', 'warn', {}, { maxSessions: 10_000 }, 'half of this host'],
];

test.each(ROWS)('%s, with %s: %s', (id, _, verdict, more, set, detail) => {
  const report = examine(facts(more, set));
  const finding = report.findings.find((one) => one.id === id);
  expect(finding).toMatchObject({
    verdict,
    detail: expect.stringContaining(detail) as string,
    remedy: expect.stringMatching(/./) as string,
  });
  expect(report.verdict).not.toBe('pass');
});

describe('what is as good', () => {
  test.each<[string, string, Partial<DoctorFacts>, Partial<DoctorSettings>]>([
    ['platform', 'arm64', { arch: 'arm64' }, {}],
    ['engine-version', 'an engine of the repaired line', engine({ serverVersion: '25.0.5' }), {}],
    ['runc-version', 'a repaired runc', { runcVersion: '1.2.8' }, {}],
    ['runc-version', 'a younger line', { runcVersion: '1.5.0' }, {}],
    ['runc-version', 'a repaired candidate', { runcVersion: '1.4.0-rc.3' }, {}],
    ['runc-version', 'no runc in use', { runcVersion: null }, { engineRuntimes: ['runsc'] }],
    ['sysctls', 'settings this kernel has not', sysctl('kernel.yama.ptrace_scope', null), {}],
    ['lsm', 'SELinux', { securityModules: ['selinux'] }, {}],
    ['state-directory', 'a sticky parent', { stateParents: [fileOf('/tmp', 0o1777)] }, {}],
    ['listen-address', 'TLS', {}, { listen: '0.0.0.0:7070', hasTls: true }],
    ['listen-address', 'IPv6 loopback', {}, { listen: '[::1]:7070' }],
    [
      'preview-address',
      'a name of its own with https',
      {},
      { portsListen: '0.0.0.0:443', portsDomain: 'p.example.com', portsScheme: 'https' },
    ],
    ['inodes', 'a file system that makes them', { disk: { ...facts().disk, freeInodes: 0, totalInodes: 0 } }, {}],
    ['permission-rules', 'a narrowed rule for everything', {}, { rules: [{ tool: '*', action: 'allow', isNarrowed: true }] }],
    ['user-namespaces', 'the older switch', { sysctls: { 'kernel.unprivileged_userns_clone': '0' } }, {}],
    ['token-age', 'no key yet', { tokenKeys: [] }, {}],
    ['configuration-file', 'a file of root alone', { configFile: fileOf('/etc/c.json', 0o600) }, { configFile: '/etc/c.json' }],
  ])('%s, with %s, passes', (id, _, more, set) => {
    expect(examine(facts(more, set)).findings.find((finding) => finding.id === id)).toMatchObject({ verdict: 'pass' });
  });
});

test('every check that can fail or warn has a row here', () => {
  expect(CHECKS.map(({ id }) => id).filter((id) => !ROWS.some(([row]) => row === id))).toEqual([]);
});

test('for people a remedy stands below what did not pass, and no control character gets through', () => {
  const text = reportText(examine(facts({ engine: { error: 'bad \u001b[31m\n', canStartOwn: false } })));
  expect(text).toContain('FAIL  engine');
  expect(text).toMatch(/FAIL {2}engine +no engine: bad \\u001b\[31m\\n\n +-> Start the engine/);
  expect(text).toMatch(/\d+ passed, 1 to look at, 1 failed\n$/);
});
