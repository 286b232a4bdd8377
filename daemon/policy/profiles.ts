// Profiles: named bundles of what a sandbox may do. Owns the built-in three; knows nothing of containers.

import { z } from 'zod';
import { Name } from '../../client/protocol/names.ts';
import { RuleList } from './permission-presets.ts';

export const Profile = z.strictObject({
  /** `ro`: the workspace is mounted read-only and every writing file verb is refused. */
  workspace: z.enum(['ro', 'rw']),
  /** `none`: no way out whatever a session asks for. `proxy`: the egress policy of the session decides. */
  network: z.enum(['none', 'proxy']),
  /** A file of seccomp/, without `.json`. */
  seccomp: z.enum(['strict', 'debug']),
  /** Permission rules of its sessions, before the general ones. */
  rules: RuleList.optional(),
});
export type Profile = z.infer<typeof Profile>;

export const BUILT_IN_PROFILES: Readonly<Record<string, Profile>> = {
  readonly: { workspace: 'ro', network: 'none', seccomp: 'strict' },
  'workspace-write-no-network': { workspace: 'rw', network: 'none', seccomp: 'strict' },
  'workspace-write': { workspace: 'rw', network: 'proxy', seccomp: 'strict' },
};

export const DEFAULT_PROFILE = 'workspace-write-no-network';

/** Configured profiles; a built-in one can't be redefined, so its name always means the same. */
export const ProfileTable = z
  .record(Name, Profile)
  .refine((table) => Object.keys(table).every((name) => !Object.hasOwn(BUILT_IN_PROFILES, name)), 'redefines a built-in profile');
