// What the pool holds of a live sandbox, and what makes one. The implementation with containers is
// sandbox-factory.ts; tests give their own.

import type { Duplex } from 'node:stream';
import type { Labels, SandboxId, SessionName, TenantName } from '../../client/protocol/names.ts';
import type { Receipt } from '../../client/protocol/receipt.ts';
import type { WorkspaceRetention } from '../../client/protocol/session.ts';
import type { SandboxUsage } from '../container/sandbox-meter.ts';
import type { SandboxEgress } from '../egress/sandbox-egress.ts';
import type { ExecTable } from '../exec/exec-table.ts';
import type { SandboxFiles } from '../files/sandbox-files.ts';
import type { GrantedPolicy } from '../policy/grant-policy.ts';

export interface RunningSandbox {
  readonly id: SandboxId;
  readonly receipt: Receipt;
  /** What runs a command that is given as text. */
  readonly shell: 'bash' | 'sh';
  /** Environment the command starts from. */
  env(execId: string): Readonly<Record<string, string>>;
  readonly execs: ExecTable;
  readonly files: SandboxFiles;
  /** null: its profile has no way out. */
  readonly egress: SandboxEgress | null;
  /** What it uses right now; null: it is not known yet, or no more. */
  usage(): SandboxUsage | null;
  /** A connection to a listener on its loopback; NOT_FOUND where none is. */
  dial(port: number, signal?: AbortSignal): Promise<Duplex>;
  /** Resolves with the cause once the sandbox has died by itself; never after close. */
  readonly died: Promise<string>;
  /** Ends everything in it, removes container, mounts and sockets; then the workspace if asked. `by` ended its commands. Idempotent. */
  close(workspace: WorkspaceRetention, reason: string, by?: string): Promise<void>;
  /** Remembers how long it may live, for the next daemon. */
  saveLife(life: { readonly expiresAtMs: number | null; readonly idleMs: number }): Promise<void>;
  /** Another policy from now on, for the next daemon as well; only its egress may differ. */
  setPolicy(policy: GrantedPolicy): Promise<void>;
  /** Everything in it stands still and answers nothing, its time limits too. */
  pause(): Promise<void>;
  resume(): Promise<void>;
  /** Leaves the container to the next daemon. */
  detach(): Promise<void>;
}

export interface SandboxOrder {
  readonly id: SandboxId;
  readonly tenant: TenantName;
  readonly session: SessionName;
  readonly workspaceName: string;
  /** A directory of the host as workspace. */
  readonly hostPath?: string | undefined;
  readonly policy: GrantedPolicy;
  readonly labels: Labels;
  readonly env: Readonly<Record<string, string>>;
  readonly retain: WorkspaceRetention;
  readonly createdAtMs: number;
  readonly expiresAtMs: number | null;
  readonly idleMs: number;
}

export interface AdoptedSandbox {
  readonly order: SandboxOrder;
  readonly sandbox: RunningSandbox;
}

export interface SandboxMaker {
  /** Keeps a spare that fits for the order, which from then on has its id; null: there is none, it is made from nothing. */
  reserve(order: Omit<SandboxOrder, 'id'>): SandboxId | null;
  /** Hands out the spare that was reserved, with a receipt that matches the policy; null: it was no good and nothing is left of it. */
  claim(order: SandboxOrder, signal: AbortSignal): Promise<RunningSandbox | null>;
  /** A started sandbox whose receipt matches the policy, or an error and nothing left behind. */
  make(order: SandboxOrder, signal: AbortSignal): Promise<RunningSandbox>;
  /** Sandboxes of an earlier daemon that still live; ends and removes what is left of the others. */
  adopt(): Promise<readonly AdoptedSandbox[]>;
  /** Begins to keep spares; after what an earlier daemon left has been seen to. */
  start(): void;
  /** Ends what it keeps for orders to come. */
  stop(): Promise<void>;
}
