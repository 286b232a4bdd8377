// Checks of the machine below the sandboxes: engine, kernel, cgroups, clock.

import { type Check, fail, pass, warn } from './finding.ts';
import { engineFlaws, parseVersion, runcFlaws } from './known-flaws.ts';

/** Sysctl -> what it should be at least, or at most, and what it keeps away. */
const SYSCTLS: readonly { readonly key: string; readonly least?: number; readonly most?: number; readonly why: string }[] = [
  { key: 'kernel.unprivileged_bpf_disabled', least: 1, why: 'BPF programs of unprivileged users' },
  { key: 'kernel.kptr_restrict', least: 1, why: 'kernel addresses in /proc' },
  { key: 'kernel.dmesg_restrict', least: 1, why: 'the kernel log to unprivileged users' },
  { key: 'dev.tty.legacy_tiocsti', most: 0, why: 'input pushed into terminals' },
  { key: 'kernel.io_uring_disabled', least: 2, why: 'io_uring' },
  { key: 'kernel.yama.ptrace_scope', least: 1, why: 'processes tracing each other' },
];
/** Kernel modules whose flaws were used to leave containers; sandboxes need none of them. */
const RISKY_MODULES = /^(?:algif_\w+|rxrpc|esp[46]|rds|tipc|sctp|dccp|n_hdlc)$/;
const LEAST_KERNEL = { parts: [5, 6, 0], candidate: null } as const;

export const HOST_CHECKS: readonly Check[] = [
  {
    id: 'platform',
    area: 'host',
    judge: ({ platform, arch, isRoot }) => {
      if (platform !== 'linux' || (arch !== 'x64' && arch !== 'arm64'))
        return fail(`${platform} on ${arch}: sandboxes need Linux on x64 or arm64`, 'Run the daemon on such a host.');
      return isRoot
        ? pass(`Linux on ${arch}, as root`)
        : fail('not run as root: most of what follows cannot be seen', 'Run cloister doctor as root, as the daemon is.');
    },
  },
  {
    id: 'engine',
    area: 'host',
    judge: ({ engine, settings }) => {
      if ('error' in engine && engine.canStartOwn)
        return warn(
          `no engine answers, and the daemon would start its own: ${engine.error}`,
          'Start the daemon, and ask again: its engine is then looked at.',
        );
      if ('error' in engine) return fail(`no engine: ${engine.error}`, 'Start the engine, set engine.socketPath, or run npm run setup.');
      if (engine.missing.length > 0)
        return fail(
          `the engine lacks ${engine.missing.join(', ')}`,
          'Use an engine and a kernel with seccomp and limits for memory, swap, processes and CPU.',
        );
      const absent = settings.engineRuntimes.filter((runtime) => !engine.info.runtimes.includes(runtime));
      if (absent.length > 0)
        return fail(`the engine has no runtime ${absent.join(', ')}`, 'Register it with the engine, or take it out of engine.runtimes.');
      if (engine.info.securityOptions.some((option) => option.startsWith('name=rootless')))
        return fail(
          'the engine is rootless: workspaces and limits need one that is root',
          'Use a rootful engine, or let set-up start a private one.',
        );
      return pass(`${engine.info.serverVersion} at ${engine.socketPath}, runtimes ${settings.engineRuntimes.join(', ')}`);
    },
  },
  {
    id: 'engine-version',
    area: 'host',
    judge: ({ engine }) => {
      if ('error' in engine) return warn('no engine answers', 'Start it, and ask again.');
      const text = engine.info.serverVersion;
      const version = parseVersion(text);
      if (version === null) return warn(`the version ${JSON.stringify(text)} is unknown`, 'Compare it with its security notices by hand.');
      return judgeFlaws('engine', text, engineFlaws(version));
    },
  },
  {
    id: 'runc-version',
    area: 'host',
    judge: ({ runcVersion, settings }) => {
      if (!settings.engineRuntimes.includes('runc')) return pass('runc is not among engine.runtimes');
      const version = parseVersion(runcVersion ?? '');
      if (version === null) return warn('the version of runc is unknown', 'Compare it with its security notices by hand.');
      return judgeFlaws('runc', runcVersion ?? '', runcFlaws(version));
    },
  },
  {
    id: 'kernel',
    area: 'host',
    judge: ({ kernelRelease, loadedModules }) => {
      const version = parseVersion(kernelRelease);
      const [major = 0, minor = 0] = version?.parts ?? [];
      if (major < LEAST_KERNEL.parts[0] || (major === LEAST_KERNEL.parts[0] && minor < LEAST_KERNEL.parts[1]))
        return warn(
          `kernel ${kernelRelease} has no openat2: paths are walked step by step`,
          'Use a kernel from 5.6 on that gets security updates.',
        );
      const risky = loadedModules.filter((name) => RISKY_MODULES.test(name));
      return risky.length > 0
        ? warn(
            `kernel ${kernelRelease} has modules loaded that sandboxes do not need: ${risky.join(', ')}`,
            'Forbid them in /etc/modprobe.d (install NAME /bin/false) unless the host needs them.',
          )
        : pass(`kernel ${kernelRelease}`);
    },
  },
  {
    id: 'sysctls',
    area: 'host',
    judge: ({ sysctls }) => {
      const bad = SYSCTLS.filter(({ key, least, most }) => {
        const text = sysctls[key] ?? null;
        if (text === null) return false;
        return Number(text) < (least ?? -Infinity) || Number(text) > (most ?? Infinity);
      });
      if (bad.length === 0)
        return pass(`${SYSCTLS.filter(({ key }) => (sysctls[key] ?? null) !== null).length} settings as they should be`);
      const told = bad.map(({ key, why }) => `${key}=${sysctls[key]} allows ${why}`);
      const lines = bad.map(({ key, least, most }) => `${key}=${least ?? most}`);
      return warn(told.join('; '), `Set in /etc/sysctl.d, unless the host needs it otherwise: ${lines.join(' ')}`);
    },
  },
  {
    id: 'cgroups',
    area: 'resources',
    judge: ({ cgroup }) => {
      if (cgroup.missing.length > 0)
        return fail(
          `cgroup v${cgroup.version} without ${cgroup.missing.join(', ')}`,
          'Enable these controllers; sandboxes are not started without their limits.',
        );
      return cgroup.version === 2
        ? pass('cgroup v2 with all controllers')
        : warn(
            'cgroup v1: limits hold, but memory pressure is seen later and trees are killed one by one',
            'Boot with systemd.unified_cgroup_hierarchy=1.',
          );
    },
  },
  {
    id: 'lsm',
    area: 'isolation',
    judge: ({ securityModules }) => {
      const active = (securityModules ?? []).filter((name) => name === 'apparmor' || name === 'selinux');
      return active.length > 0
        ? pass(`${active.join(', ')} stands behind the other walls`)
        : warn('neither AppArmor nor SELinux is active: one wall less', 'Enable one of them on the kernel command line (lsm=...).');
    },
  },
  {
    id: 'user-namespaces',
    area: 'isolation',
    judge: ({ sysctls }) => {
      const [most, clone] = [sysctls['user.max_user_namespaces'] ?? null, sysctls['kernel.unprivileged_userns_clone'] ?? null];
      if (most === '0' || clone === '0') return pass('unprivileged users of the host make none, and sandboxes are refused them');
      return warn(
        'unprivileged users of the host may make user namespaces; sandboxes are refused them by their filter alone',
        'Set user.max_user_namespaces=0 if nothing on the host needs them.',
      );
    },
  },
  {
    id: 'clock',
    area: 'observability',
    judge: ({ nowMs, newestStateMs, isClockSynchronised }) => {
      if (newestStateMs !== null && newestStateMs > nowMs + 60_000)
        return fail(
          `the clock shows ${new Date(nowMs).toISOString()}, and files of the state directory are younger`,
          'Set the clock: tokens, audit records and certificates depend on it.',
        );
      return isClockSynchronised === true
        ? pass('synchronised')
        : warn('no time service was seen to keep the clock right', 'Run systemd-timesyncd, chrony or ntpd.');
    },
  },
];

function judgeFlaws(name: string, version: string, flaws: readonly { readonly id: string; readonly what: string }[]) {
  if (flaws.length === 0) return pass(`${name} ${version}: no known flaw that concerns sandboxes`);
  return warn(
    `${name} ${version}, by its number, has ${flaws.map(({ id, what }) => `${id} (${what})`).join('; ')}`,
    'Update it. A distribution may have repaired this version under the same number: its changelog says.',
  );
}
