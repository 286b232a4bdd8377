// Which spares the configuration asks for: every chosen profile with every chosen image and runtime, under default limits. Pure.

import { OpenRequest } from '../../client/protocol/session.ts';
import { grantPolicy, type PolicySource } from '../policy/grant-policy.ts';
import type { Target } from './spare-pool.ts';

export interface WarmConfig {
  /** Of each combination. */
  readonly size: number;
  /** Empty: the default one; so with the others. */
  readonly profiles: readonly string[];
  readonly images: readonly string[];
  readonly runtimes: readonly string[];
}

/** Throws what an open of such a session would be refused with. */
export function spareTargets({ size, profiles, images, runtimes }: WarmConfig, source: PolicySource): Target[] {
  if (size === 0) return [];
  const { defaults } = source;
  const or = (chosen: readonly string[], otherwise: string): readonly string[] => (chosen.length > 0 ? chosen : [otherwise]);
  return or(profiles, defaults.profile).flatMap((profile) =>
    or(images, defaults.image).flatMap((image) =>
      or(runtimes, defaults.runtime).map((runtime) => ({
        policy: grantPolicy(OpenRequest.parse({ session: 'spare', profile, image, runtime }), source),
        size,
      })),
    ),
  );
}
