// The part of the configuration that makes a daemon a member of a fleet. Nothing of it is there on a single machine.

import { z } from 'zod';

const EVERY_ADDRESS = /^(0\.0\.0\.0|\[::\]):/;

export const ClusterConfig = z.strictObject({
  /** Redis or Valkey in which the members of a fleet agree; without it this daemon is alone. */
  redisUrl: z.url({ protocol: /^rediss?$/, error: 'must be an address of redis or rediss' }).optional(),
  /** Where the other members, and clients that can, reach this one; the address of `listen` unless given. */
  advertiseUrl: z.url({ protocol: /^https?$/, error: 'must be an address of http or https' }).optional(),
  /** How long a member is heard of after its last heartbeat. */
  leaseMs: z.int().min(300).max(600_000).default(15_000),
  /** How long after that its sessions are kept for it. */
  graceMs: z.int().min(0).max(86_400_000).default(30_000),
});

interface Address {
  readonly listen: string;
  readonly cluster: z.infer<typeof ClusterConfig>;
}

/** It would tell the others an address that names no host. */
export const lacksAddress = ({ listen, cluster }: Address): boolean =>
  cluster.redisUrl !== undefined && cluster.advertiseUrl === undefined && EVERY_ADDRESS.test(listen);
