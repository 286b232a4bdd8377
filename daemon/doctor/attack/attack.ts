// Tries every row in a throw-away sandbox of this host, opened as any client opens one. Owns that sandbox; what a result
// means is the report's.

import { randomBytes } from 'node:crypto';
import { SandboxError } from '../../../client/protocol/errors.ts';
import type { Receipt } from '../../../client/protocol/receipt.ts';
import { type AttackFinding, type AttackReport, attackReport, judgeRow } from './attack-report.ts';
import { hasPart, type KernelText } from './kernel-parts.ts';
import type { AttackRow } from './row.ts';

const MIB = 1024 ** 2;
/** Small enough to fill in a moment. */
export const ATTACK_LIMITS = { memoryBytes: 256 * MIB, pids: 64, diskBytes: 64 * MIB, tmpBytes: 16 * MIB };
const ROW_LIMIT_MS = 30_000;
const OUTPUT_BYTES = 65_536;
const TTL_MS = 600_000;

/** As much of a client's sandbox as is used here. */
export interface Victim {
  readonly receipt: Receipt;
  exec(
    command: readonly string[],
    options?: { readonly timeoutMs: number; readonly outputBytes: number },
  ): PromiseLike<{
    readonly outcome: string;
    readonly exitCode: number | null;
    readonly stdout: string;
    readonly stderr: string;
    readonly reason?: string | undefined;
  }>;
  close(options: { readonly workspace: 'delete' }): Promise<void>;
}

export interface VictimOrder {
  readonly session: string;
  readonly profile: string;
  readonly runtime?: string;
  readonly workspace: { readonly retain: 'delete' };
  readonly ttlMs: number;
  readonly labels: { readonly agent: string };
  readonly limits: Partial<typeof ATTACK_LIMITS>;
}

export interface AttackOptions {
  /** A client of the daemon on this host. */
  readonly cloister: { open(order: VictimOrder): Promise<Victim> };
  readonly rows: readonly AttackRow[];
  readonly kernel: KernelText;
  /** Of this host, as Node spells it. */
  readonly arch: string;
  readonly runtime?: string | undefined;
}

/** Never fails: a sandbox that can't be had is a finding. */
export async function attack(options: AttackOptions): Promise<AttackReport> {
  const findings: AttackFinding[] = [];
  const opening = { id: 'open', area: 'sandbox', claim: 'a sandbox is handed out, and its receipt shows what was granted' } as const;
  try {
    const sandbox = await openVictim(options);
    try {
      const { runtime, image, uid, seccomp, workspace } = sandbox.receipt;
      const detail = `runtime ${runtime}, image ${image.name}, uid ${uid}, seccomp ${seccomp.profile}, store ${workspace.store}`;
      findings.push({ ...opening, verdict: 'pass', detail, remedy: null });
      const hasPython = (await sandbox.exec(['sh', '-c', 'command -v python3'])).exitCode === 0;
      for (const row of options.rows) findings.push(judgeRow(row, await tried(row, sandbox, { ...options, hasPython })));
    } finally {
      await sandbox.close({ workspace: 'delete' });
    }
  } catch (error) {
    const remedy = SandboxError.is(error) ? (error.hint ?? null) : null;
    findings.push({ ...opening, verdict: 'fail', detail: error instanceof Error ? error.message : String(error), remedy });
  }
  return attackReport(findings);
}

async function openVictim({ cloister, runtime }: AttackOptions): Promise<Victim> {
  const order = {
    session: `doctor-${randomBytes(6).toString('hex')}`,
    profile: 'workspace-write-no-network',
    workspace: { retain: 'delete' },
    ttlMs: TTL_MS,
    labels: { agent: 'cloister-doctor' },
    ...(runtime === undefined ? {} : { runtime }),
  } as const;
  const { diskBytes, ...rest } = ATTACK_LIMITS;
  try {
    return await cloister.open({ ...order, limits: { ...rest, diskBytes } });
  } catch (error) {
    // A store without quotas says so, and has none to be tried.
    if (!SandboxError.is(error) || error.code !== 'POLICY_INVALID') throw error;
    return await cloister.open({ ...order, limits: rest });
  }
}

type Surroundings = Pick<AttackOptions, 'kernel' | 'arch'> & { readonly hasPython: boolean };

async function tried(row: AttackRow, sandbox: Victim, around: Surroundings): Promise<Parameters<typeof judgeRow>[1]> {
  const lack = lackOf(row, sandbox, around);
  if (lack !== null) return lack;
  const { outcome, stdout, stderr, reason } = await sandbox.exec(['sh', '-c', row.command], {
    timeoutMs: ROW_LIMIT_MS,
    outputBytes: OUTPUT_BYTES,
  });
  return { outcome, output: stdout + stderr, reason: reason ?? null };
}

function lackOf(
  { needs, machine, command, controls }: AttackRow,
  { receipt }: Victim,
  { kernel, arch, hasPython }: Surroundings,
): { readonly lack: string; readonly remedy: string | null } | null {
  if (needs !== undefined && !hasPart(kernel, needs))
    return { lack: `this kernel has no ${needs.name}: there is nothing to attack`, remedy: null };
  if (machine === 'x86_64' && arch !== 'x64') return { lack: `only a machine of type ${machine} has it`, remedy: null };
  if (command.includes('python3') && !hasPython)
    return { lack: 'the image has no python3 to try it with', remedy: 'Ask with the base image as default.' };
  if (controls.includes('diskQuota') && receipt.workspace.quota !== 'hard')
    return { lack: `the store ${receipt.workspace.store} has no quota, as the operator accepted`, remedy: 'Use the btrfs store.' };
  return null;
}
