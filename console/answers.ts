// What the daemon answers over HTTP, as the console reads it. The daemon that served this page answers it, so both are of one
// release; nothing in an answer is ever shown but as text.

import type { ConfirmRequest } from '../client/protocol/confirm.ts';
import type { ExecInfo } from '../client/protocol/exec.ts';
import type { Receipt } from '../client/protocol/receipt.ts';
import type { SandboxInfo } from '../client/protocol/session.ts';

export interface Self {
  readonly tenant: string | null;
  readonly role: 'tenant' | 'observer' | 'operator';
  readonly session: string | null;
  readonly readOnly: boolean;
  readonly tokenId: string;
  readonly expiresAt: string;
  readonly version: string;
}

export interface Usage {
  readonly cpus: number | null;
  readonly memoryBytes: number | null;
  readonly pids: number | null;
  readonly diskBytes: number | null;
}

export interface LiveSandbox extends SandboxInfo {
  readonly idleMs: number;
  readonly startKind: string;
  readonly usage: Usage | null;
}

export interface HostPoint {
  readonly atMs: number;
  readonly cpuBusy: number | null;
  readonly memoryUsedBytes: number;
  readonly sandboxes: number;
  readonly execs: number;
  readonly opens: number;
  readonly commands: number;
  readonly denials: number;
  readonly egressAllowed: number;
  readonly egressDenied: number;
}

export interface Overview {
  readonly at: string;
  readonly everyMs: number;
  readonly sandboxes: readonly LiveSandbox[];
  readonly host?: {
    readonly cpus: number;
    readonly cpuBusy: number | null;
    readonly load1: number;
    readonly memoryBytes: number;
    readonly memoryUsedBytes: number;
    readonly uptimeS: number;
    readonly daemonCpus: number | null;
    readonly daemonMemoryBytes: number;
    readonly disk: { readonly totalBytes: number; readonly usedBytes: number } | null;
  };
  readonly pool?: {
    readonly isAccepting: boolean;
    readonly maxSessions: number;
    readonly spares: { readonly free: number; readonly wanted: number };
  };
  readonly daemon?: Readonly<Record<string, string>>;
  readonly perMinute?: Readonly<Record<'opens' | 'commands' | 'denials' | 'egressAllowed' | 'egressDenied', number>>;
  readonly history?: readonly HostPoint[];
}

export type UsagePoint = readonly [number, number | null, number | null, number | null, number | null];

export interface Inspection extends LiveSandbox {
  readonly workspaceName: string;
  readonly points: readonly UsagePoint[];
  readonly receipt: Receipt | null;
  readonly running: readonly ExecInfo[];
  readonly policy: {
    readonly policySha256: string;
    readonly profile: Readonly<Record<string, unknown>>;
    readonly egress: Readonly<Record<string, unknown>>;
    readonly permissions: Readonly<Record<string, unknown>>;
  };
}

export interface Finding {
  readonly id: string;
  readonly area: string;
  readonly verdict: 'pass' | 'warn' | 'fail';
  readonly detail: string;
  readonly remedy?: string;
}
export interface DoctorAnswer {
  readonly at: string;
  readonly verdict: string;
  readonly counts: Readonly<Record<'pass' | 'warn' | 'fail', number>>;
  readonly findings: readonly Finding[];
}

export interface AuditLine {
  readonly seq: number;
  readonly at: string;
  readonly kind: string;
  readonly tenant?: string | null;
  readonly session?: string | null;
  readonly sandboxId?: string;
  readonly execId?: string | null;
  readonly [field: string]: unknown;
}

export interface ConfirmationsAnswer {
  readonly confirmations: readonly ConfirmRequest[];
}
