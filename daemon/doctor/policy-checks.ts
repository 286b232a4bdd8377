// Checks of what the configuration grants: addresses, profiles, images, ceilings, rules.

import type { DoctorFacts } from './facts.ts';
import { type Check, fail, pass, warn } from './finding.ts';

const LOOPBACK = /^(?:127\.\d+\.\d+\.\d+|localhost|\[::1\])$/;
const PINNED = /(?:^sha256:|@sha256:)[0-9a-f]{64}$/;
const MAX_IDLE_MS = 24 * 3_600_000;

export const POLICY_CHECKS: readonly Check[] = [
  {
    id: 'seccomp-profiles',
    area: 'isolation',
    judge: ({ seccomp, settings }) => {
      const broken = seccomp.filter(({ error }) => error !== null);
      if (broken.length > 0)
        return fail(broken.map(({ name, error }) => `${name}: ${error}`).join('; '), 'Restore the files of seccomp/ from the package.');
      const debug = Object.entries(settings.profiles).filter(([, { seccomp: name }]) => name !== 'strict');
      return debug.length > 0
        ? warn(
            `profiles with ptrace and what belongs to it: ${debug.map(([name]) => name).join(', ')}`,
            'Keep them to tenants you trust, or remove them.',
          )
        : pass(`${seccomp.map(({ name }) => name).join(', ')} readable; every profile is strict`);
    },
  },
  {
    id: 'permission-rules',
    area: 'permissions',
    judge: ({ settings }) => {
      const waits = `a question not answered within ${settings.confirmTimeoutMs / 1000} s is a denial`;
      if (!settings.hasHardFloor)
        return warn(`${waits}; commands that nobody takes back are not refused`, 'Set permissions.hardFloor to true.');
      const open = settings.rules.findIndex((rule) =>
        'preset' in rule ? rule.preset === 'full' : rule.tool === '*' && rule.action === 'allow' && !rule.isNarrowed,
      );
      return open === -1
        ? pass(`${waits}; ${settings.rules.length} rules, and what none matches is asked`)
        : warn(
            `${waits}; rule ${open + 1} allows every tool, so what comes after it never decides`,
            'Allow tools by name, and ask or deny the rest.',
          );
    },
  },
  {
    id: 'listen-address',
    area: 'network',
    judge: ({ settings }) => {
      if (isLoopback(settings.listen)) return pass(`${settings.listen}: this host only`);
      return settings.hasTls
        ? pass(`${settings.listen} with TLS`)
        : fail(
            `${settings.listen} without TLS: tokens and data pass in the clear`,
            'Listen on 127.0.0.1 behind a proxy that speaks TLS, or give the daemon a certificate.',
          );
    },
  },
  {
    id: 'preview-address',
    area: 'network',
    judge: ({ settings }) => {
      if (isLoopback(settings.portsListen)) return pass(`${settings.portsListen}: this host only`);
      if (settings.portsDomain.startsWith('localhost'))
        return warn(
          `${settings.portsListen} is reachable, and its names end in localhost`,
          'Set ports.domain to a name of its own, apart from everything else.',
        );
      return settings.portsScheme === 'https'
        ? pass(`${settings.portsListen} as *.${settings.portsDomain}`)
        : warn(`previews at ${settings.portsListen} are not encrypted`, 'Put TLS in front and set ports.scheme to https.');
    },
  },
  {
    id: 'origins',
    area: 'network',
    judge: ({ settings }) => {
      const clear = settings.origins.filter((origin) => origin.startsWith('http:') && !LOOPBACK.test(new URL(origin).hostname));
      return clear.length > 0
        ? warn(`pages that are not encrypted may connect: ${clear.join(', ')}`, 'Use https origins.')
        : pass(settings.origins.length === 0 ? 'no page but its own may connect' : `${settings.origins.length} origins`);
    },
  },
  {
    id: 'egress',
    area: 'network',
    judge: ({ settings }) => {
      if (settings.allowPrivate.length > 0)
        return warn(
          `sandboxes may reach ranges that are no public internet: ${settings.allowPrivate.join(', ')}`,
          'Keep egress.allowPrivate to what they must reach.',
        );
      return settings.profiles[settings.defaultProfile]?.network === 'none'
        ? pass('none by default; the built-in blocklist holds everywhere')
        : warn(`the default profile ${settings.defaultProfile} has network`, 'Set defaults.profile to one without, and let sessions ask.');
    },
  },
  {
    id: 'images',
    area: 'rollback',
    judge: ({ settings }) => {
      const loose = Object.entries(settings.images).filter(([, reference]) => !PINNED.test(reference));
      return loose.length > 0
        ? warn(
            `named by tag, which may move: ${loose.map(([name, reference]) => `${name} (${reference})`).join(', ')}`,
            'Name them by id or digest (sha256:...); every record then says which one it was, and going back is one line.',
          )
        : pass(`${Object.keys(settings.images).length} allowed beside base, all by digest`);
    },
  },
  {
    id: 'ceilings',
    area: 'resources',
    judge: ({ settings }) => {
      const without = [...(settings.ceilings.perTenant === 0 ? ['perTenant'] : []), ...(settings.ceilings.host === 0 ? ['host'] : [])];
      return without.length > 0
        ? warn(`no ceilings ${without.join(' and ')}: one tenant may take all there is`, 'Set ceilings.perTenant and ceilings.host.')
        : pass('per tenant and for the host');
    },
  },
  {
    id: 'sessions',
    area: 'resources',
    judge: (facts) => judgeSessions(facts),
  },
];

function judgeSessions({ settings, engine }: DoctorFacts) {
  const told = `at most ${settings.maxSessions} at once, each ended after ${Math.round(settings.idleMs / 60_000)} idle minutes`;
  if (settings.idleMs > MAX_IDLE_MS) return warn(told, 'Lower pool.idleMs: forgotten sessions keep their memory.');
  const memory = 'error' in engine ? null : engine.info.memoryBytes;
  // What an idle sandbox takes, before anything runs in it.
  const idleBytes = settings.maxSessions * 6 * 1024 * 1024;
  return memory !== null && idleBytes > memory / 2
    ? warn(`${told}: idle they would take over half of this host's memory`, 'Lower pool.maxSessions.')
    : pass(told);
}

const isLoopback = (listen: string): boolean => LOOPBACK.test(listen.slice(0, listen.lastIndexOf(':')));
