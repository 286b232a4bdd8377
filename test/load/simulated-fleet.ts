// The fleet of docs/capacity.md, and a small one that tests can afford.

import { ClusterConfig } from '../../daemon/cluster-config.ts';
import type { FleetOptions } from './fleet-simulation.ts';

const HEARTBEAT_S = ClusterConfig.parse({}).leaseMs / 3 / 1000;

export const SIMULATED: FleetOptions = {
  members: 10_000,
  sessions: 1_000_000,
  tenants: 2_000,
  maxSessions: 200,
  lost: 100,
  sessionLifeS: 1_800,
  heartbeatS: HEARTBEAT_S,
  listS: HEARTBEAT_S,
  refreshS: 600,
  seed: 1,
};

export const SMALL: FleetOptions = { ...SIMULATED, members: 200, sessions: 20_000, tenants: 200, lost: 2 };
