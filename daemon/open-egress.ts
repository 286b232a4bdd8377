// The egress process as configured: which servers it asks, whom it runs as, what it may reach.

import { getServers } from 'node:dns';
import type { Config } from './config.ts';
import { EgressProcess } from './egress/egress-process.ts';
import { parseNameServer } from './egress/name-server.ts';
import type { Clock } from './observe/clock.ts';
import type { Log } from './observe/log.ts';

/** Nothing of it runs until a sandbox has a way out. */
export function openEgress({ egress }: Config, clock: Clock, log: Log): EgressProcess {
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
    clock,
    log,
  });
}
