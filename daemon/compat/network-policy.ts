// What E2B's clients say of the network, as an egress policy. Pure. It only ever asks: what is granted is the daemon's decision
// under the profile, and a profile without network grants nothing.

import { z } from 'zod';
import type { EgressPolicy } from '../../client/index.ts';
import { SandboxError } from '../../client/protocol/errors.ts';
import { Unsupported } from './failure.ts';

/** How E2B's clients spell every address. */
const EVERYTHING: ReadonlySet<string> = new Set(['0.0.0.0/0', '::/0']);

const Hosts = z.array(z.string().min(1).max(300)).max(1000);

const Network = z.object({
  allowOut: Hosts.nullish(),
  denyOut: Hosts.nullish(),
  rules: z.record(z.string(), z.unknown()).nullish(),
  egressProxy: z.unknown().optional(),
  allowPublicTraffic: z.boolean().nullish(),
  maskRequestHost: z.string().nullish(),
});

export const NetworkAsked = z.object({
  allow_internet_access: z.boolean().nullish(),
  network: Network.nullish(),
});
export type NetworkAsked = z.infer<typeof NetworkAsked>;

/** The body of an update has the fields of `network` beside the switch. */
export const NetworkUpdate = Network.extend({ allow_internet_access: z.boolean().nullish() });

export interface NetworkGround {
  /** The profile has a way out at all. */
  readonly hasNetwork: boolean;
  /** What is granted to whoever names no hosts: E2B's clients ask for everything then, said or not. */
  readonly unnamed: 'allowlist' | 'open';
}

/** undefined: nothing is asked for. Throws what can't be had, instead of leaving it out. */
export function egressOf({ allow_internet_access: switched, network }: NetworkAsked, ground: NetworkGround): EgressPolicy | undefined {
  refuseUnsupported(network);
  const [allowed, denied] = [network?.allowOut ?? [], network?.denyOut ?? []];
  const allow = allowed.filter((host) => !EVERYTHING.has(host));
  const deny = denied.filter((host) => !EVERYTHING.has(host));
  for (const host of [...allow, ...deny])
    if (host.includes('/'))
      throw new Unsupported(`the range ${JSON.stringify(host)} in network`, 'Name hosts, or *.suffixes; Cloister allows by name.');
  if (allow.length > 0 || allowed.length > 0) {
    // Told to the daemon even under a profile without network: it is refused there and not left out.
    const isOpen = allow.length < allowed.length;
    return isOpen ? { mode: 'open', deny } : { mode: 'allowlist', allow, deny };
  }
  const isClosed = switched === false || deny.length < denied.length;
  if (!ground.hasNetwork) return undefined;
  if (isClosed) return { mode: 'off' };
  return ground.unnamed === 'open' ? { mode: 'open', deny } : { mode: 'allowlist', deny };
}

function refuseUnsupported(network: z.infer<typeof Network> | null | undefined): void {
  if (Object.keys(network?.rules ?? {}).length > 0)
    throw new Unsupported('network.rules', 'Header secrets of a Cloister session do this: see docs/e2b.md.');
  if (network?.egressProxy !== undefined && network.egressProxy !== null)
    throw new Unsupported('network.egressProxy', 'Leave it out: connections leave through the daemon.');
  if (network?.maskRequestHost !== undefined && network.maskRequestHost !== null)
    throw new Unsupported('network.maskRequestHost', 'Leave it out: servers see the host of the preview.');
  if (network?.allowPublicTraffic === true)
    throw new SandboxError('POLICY_INVALID', 'Cannot open the ports of a sandbox to everyone: previews are let in by token', {
      hint: 'Leave network.allowPublicTraffic out and send sandbox.trafficAccessToken as the header e2b-traffic-access-token.',
    });
}
