// The configuration that holds now. Reading it again changes all of what can change while the daemon runs, or nothing; the one
// before is kept, so that a change is taken back at once. Both are on record.

import { createHash } from 'node:crypto';
import { SandboxError } from '../client/protocol/errors.ts';
import type { Config } from './config.ts';
import { ConfigError } from './load-config.ts';
import { maskedConfig } from './mask-config.ts';
import type { AuditLog } from './observe/audit-log.ts';
import type { Log } from './observe/log.ts';
import type { GrantedPermissions } from './policy/permission-policy.ts';
import { grantPermissions } from './policy/permission-policy.ts';
import { BUILT_IN_PROFILES, type Profile } from './policy/profiles.ts';
import { recordAnyway } from './session/record-anyway.ts';

/** What sessions are granted from; everything else is what the daemon was started with. */
const LIVE = [
  'permissions',
  'profiles',
  'images',
  'defaults',
  'ceilings.perSandbox',
  'egress.blocklistExtra',
  'egress.allowPrivate',
] as const;
/** Keys whose parts change on their own. */
const IN_PARTS = ['ceilings', 'egress'] as const;

export interface ConfigChange {
  /** Keys whose values differ now. */
  readonly changed: string[];
  readonly sha256: string;
  readonly formerSha256: string;
}

export interface ConfigInForceOptions {
  readonly initial: Config;
  /** Reads it from where it came from; throws ConfigError. Absent: there is nowhere to read it from. */
  readonly load?: (() => Config) | undefined;
  /** Throws what a configuration could not hold for. */
  readonly verify: (config: Config) => void;
  /** Another one holds: what runs has to follow. */
  readonly onChange?: ((now: Config) => void) | undefined;
  /** Name -> content id of images that operators added; what is configured under a name holds before it. */
  readonly addedImages?: (() => Readonly<Record<string, string>>) | undefined;
  readonly audit: AuditLog;
  readonly log: Log;
}

export class ConfigInForce {
  readonly #options: ConfigInForceOptions;
  #now: Config;
  #former: Config | null = null;
  /** Of the present configuration, by profile. */
  #permissions = new Map<string, GrantedPermissions | null>();

  constructor(options: ConfigInForceOptions) {
    this.#options = options;
    this.#now = options.initial;
  }

  get now(): Config {
    return this.#now;
  }

  /** The operator's rules for a profile; null: there is none of this name. */
  permissionsOf(name: string): GrantedPermissions | null {
    const known = this.#permissions.get(name);
    if (known !== undefined) return known;
    const profile = this.profileOf(name);
    const granted = profile === null ? null : grantPermissions(undefined, { name, profile }, this.#now.permissions);
    this.#permissions.set(name, granted);
    return granted;
  }

  /** null: there is none of this name. */
  profileOf(name: string): Profile | null {
    const table = [BUILT_IN_PROFILES, this.#now.profiles].find((profiles) => Object.hasOwn(profiles, name));
    return table?.[name] ?? null;
  }

  print(): { readonly config: Record<string, unknown>; readonly sha256: string; readonly canRevert: boolean } {
    const { images } = this.#now;
    const config = { ...this.#now, images: { ...images, allow: { ...this.#options.addedImages?.(), ...images.allow } } };
    return { config: maskedConfig(config), sha256: sha256(this.#now), canRevert: this.#former !== null };
  }

  /** Throws POLICY_INVALID with every problem, having changed nothing. */
  reload(by: string): ConfigChange {
    const { load, verify } = this.#options;
    try {
      if (load === undefined) throw new ConfigError(['it was not read from anywhere']);
      const next = load();
      const fixed = differing(this.#now, next).filter((key) => !isLive(key));
      if (fixed.length > 0) throw new ConfigError(fixed.map((key) => `${key}: can only be changed by a restart`));
      verify(next);
      return this.#become(next, 'reload', by);
    } catch (error) {
      const problems = error instanceof ConfigError ? error.problems : [error instanceof Error ? error.message : String(error)];
      recordAnyway(this.#options, { kind: 'config.refused', by, problems });
      throw new SandboxError('POLICY_INVALID', `Cannot reload the configuration, nothing has changed: ${problems.join('; ')}`, {
        hint: 'Correct the file; cloister policy check FILE tells beforehand.',
      });
    }
  }

  /** Back to what held before the last change; the file is left as it is. */
  revert(by: string): ConfigChange {
    if (this.#former === null)
      throw new SandboxError('POLICY_INVALID', 'Cannot revert the configuration: it has not been changed since the daemon started', {
        hint: 'Change the file and reload it.',
      });
    return this.#become(this.#former, 'revert', by);
  }

  #become(next: Config, how: 'reload' | 'revert', by: string): ConfigChange {
    const change = { changed: differing(this.#now, next), sha256: sha256(next), formerSha256: sha256(this.#now) };
    // Announced before it holds: no decision is made under rules that the log does not know.
    this.#options.audit.append({ kind: 'config.change', how, by, ...change });
    this.#options.log.info({ how, by, ...change }, 'configuration changed');
    if (change.changed.length > 0) {
      this.#former = this.#now;
      this.#now = next;
      this.#permissions = new Map();
      this.#options.onChange?.(next);
    }
    return change;
  }
}

const isLive = (key: string): boolean => LIVE.some((live) => key === live);

/** Keys, and the parts of some, that differ. */
function differing(a: Config, b: Config): string[] {
  const keys = (Object.keys({ ...a, ...b }) as (keyof Config)[]).filter((key) => JSON.stringify(a[key]) !== JSON.stringify(b[key]));
  return keys.flatMap((key) => {
    if (!IN_PARTS.some((divided) => divided === key)) return [key];
    const [former, next] = [a[key], b[key]] as [Record<string, unknown>, Record<string, unknown>];
    const parts = Object.keys({ ...former, ...next }).filter((part) => JSON.stringify(former[part]) !== JSON.stringify(next[part]));
    return parts.map((part) => `${key}.${part}`);
  });
}

const sha256 = (config: Config): string => createHash('sha256').update(JSON.stringify(config)).digest('hex');
