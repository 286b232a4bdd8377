// The egress process as configured: which servers it asks, whom it runs as, what it may reach.

import { getServers } from 'node:dns';
import { join } from 'node:path';
import type { PolicyExplain } from '../client/protocol/egress.ts';
import { SandboxError } from '../client/protocol/errors.ts';
import type { EgressDecision } from '../client/protocol/exec.ts';
import type { Config } from './config.ts';
import type { ConfigInForce } from './config-in-force.ts';
import { EgressProcess } from './egress/egress-process.ts';
import { EgressTrust } from './egress/egress-trust.ts';
import { parseNameServer } from './egress/name-server.ts';
import type { Clock } from './observe/clock.ts';
import type { Log } from './observe/log.ts';
import { narrowEgress } from './policy/egress-narrowing.ts';
import { explainedEgress } from './policy/explain-policy.ts';
import { egressAuthorityPathOf } from './state-dir.ts';

/** Answers what a session without a sandbox would be told; the name is resolved where tenants' names always are. */
export const explainWith =
  (egress: EgressProcess, config: Config) =>
  async (asked: PolicyExplain): Promise<EgressDecision> => {
    const policy = explainedEgress(asked, config);
    const record = await egress.explainPolicy(policy, asked.url);
    if (record === null)
      throw new SandboxError('SANDBOX_FAILED', 'Cannot explain: the egress process is being started again', { retry: 'later' });
    const { execId: _none, ...decision } = record;
    return decision;
  };

/** Nothing of it runs until a sandbox has a way out. */
export function openEgress(
  { egress, stateDir }: Config,
  configuration: Pick<ConfigInForce, 'profileOf' | 'permissionsOf'>,
  clock: Clock,
  log: Log,
): EgressProcess {
  const servers = (egress.resolver.length > 0 ? egress.resolver : getServers()).map(parseNameServer).filter((server) => server !== null);
  if (egress.allowPrivate.length > 0) log.warn({ allowPrivate: egress.allowPrivate }, 'sandboxes may reach these private ranges');
  return new EgressProcess({
    configuration: {
      identity: { uid: egress.uid, gid: egress.uid },
      servers: servers.slice(0, 8),
      allowPrivate: egress.allowPrivate,
      blocklistExtra: egress.blocklistExtra,
      limits: egress.limits,
    },
    trust: new EgressTrust({
      authorityPath: egressAuthorityPathOf(stateDir),
      runDir: join(stateDir, 'run'),
      extraPath: egress.upstreamCa ?? null,
      clock,
    }),
    narrow: (profile, policy) => narrowEgress(policy, configuration.profileOf(profile), configuration.permissionsOf(profile)),
    clock,
    log,
  });
}
