// Everything the doctor knows of a host, as plain data. null: it could not be found out.

import type { AuditVerdict } from '../observe/audit-verify.ts';
import type { EngineInfo } from '../container/driver.ts';

/** What of the configuration matters here. */
export interface DoctorSettings {
  readonly stateDir: string;
  readonly configFile: string | null;
  readonly auditFile: string;
  /** Private key that signs its head, PEM. */
  readonly auditKeyFile: string;
  readonly listen: string;
  readonly hasTls: boolean;
  readonly portsListen: string;
  readonly portsScheme: 'http' | 'https';
  readonly portsDomain: string;
  readonly origins: readonly string[];
  readonly engineRuntimes: readonly string[];
  /** Whether the daemon starts an engine of its own. */
  readonly privateEngine: 'auto' | 'always' | 'never';
  readonly store: 'auto' | 'btrfs' | 'directory';
  readonly quota: 'hard' | 'none';
  /** Every profile a session may ask for, built-in ones included, by name. */
  readonly profiles: Readonly<Record<string, { readonly network: 'none' | 'proxy'; readonly seccomp: string }>>;
  readonly defaultProfile: string;
  /** Name -> reference. */
  readonly images: Readonly<Record<string, string>>;
  readonly allowPrivate: readonly string[];
  readonly ceilings: { readonly perTenant: number; readonly host: number };
  readonly maxSessions: number;
  readonly idleMs: number;
  readonly confirmTimeoutMs: number;
  /** In order; the first that matches decides. */
  readonly rules: readonly (
    | { readonly preset: string }
    | { readonly tool: string; readonly action: string; readonly isNarrowed: boolean }
  )[];
  readonly hasHardFloor: boolean;
}

/** A file or directory as it lies there. */
export interface FileFacts {
  readonly path: string;
  readonly mode: number;
  readonly uid: number;
  readonly modifiedAtMs: number;
}

export interface DoctorFacts {
  readonly settings: DoctorSettings;
  readonly nowMs: number;
  readonly platform: string;
  readonly arch: string;
  readonly isRoot: boolean;
  readonly kernelRelease: string;
  /** Key as in /proc/sys, with dots. */
  readonly sysctls: Readonly<Record<string, string | null>>;
  /** Names of active security modules. */
  readonly securityModules: readonly string[] | null;
  readonly loadedModules: readonly string[];
  readonly cgroup: { readonly version: 1 | 2; readonly missing: readonly string[] };
  readonly engine:
    | { readonly socketPath: string; readonly info: EngineInfo; readonly missing: readonly string[] }
    | { readonly error: string; readonly canStartOwn: boolean };
  /** As `runc --version` says it. */
  readonly runcVersion: string | null;
  readonly seccomp: readonly { readonly name: string; readonly error: string | null }[];
  /** Why btrfs can't be used; null: it can. */
  readonly btrfsLack: string | null;
  readonly isClockSynchronised: boolean | null;
  readonly disk: { readonly freeBytes: number; readonly totalBytes: number; readonly freeInodes: number; readonly totalInodes: number };
  /** The state directory and its own files; empty: it is not made yet. */
  readonly stateFiles: readonly FileFacts[];
  readonly stateParents: readonly FileFacts[];
  readonly configFile: FileFacts | null;
  readonly tokenKeys: readonly FileFacts[];
  readonly audit: AuditVerdict | { readonly verdict: 'absent' } | { readonly verdict: 'unreadable'; readonly reason: string };
  /** When the newest record or key was written. */
  readonly newestStateMs: number | null;
  readonly lastBackupMs: number | null;
}
