// Has a sandbox made and puts that on record: one that can't be recorded does not stay.

import { SandboxError } from '../../client/protocol/errors.ts';
import type { AuditLog } from '../observe/audit-log.ts';
import type { Log } from '../observe/log.ts';
import { recordAnyway } from './record-anyway.ts';
import type { RunningSandbox, SandboxMaker, SandboxOrder } from './running-sandbox.ts';

export interface MakeOptions {
  readonly maker: SandboxMaker;
  readonly audit: AuditLog;
  readonly log: Log;
}

export async function makeSandbox(options: MakeOptions, order: SandboxOrder, signal: AbortSignal): Promise<RunningSandbox> {
  const { maker, audit, log } = options;
  const identity = {
    tenant: order.tenant,
    session: order.session,
    sandboxId: order.id,
    policySha256: order.policy.sha256,
    labels: order.labels,
  };
  let sandbox: RunningSandbox | null = null;
  try {
    if (signal.aborted) throw stopping(order);
    sandbox = await maker.make(order, signal);
    audit.append({ kind: 'sandbox.open', ...identity, outcome: 'done', receipt: sandbox.receipt });
    return sandbox;
  } catch (cause) {
    const error = signal.aborted && !SandboxError.is(cause) ? stopping(order) : cause;
    recordAnyway(options, {
      kind: 'sandbox.open',
      ...identity,
      outcome: 'failed',
      code: SandboxError.is(error) ? error.code : 'INTERNAL',
      message: String(error),
    });
    log.warn({ ...identity, err: error }, 'sandbox not opened');
    await sandbox
      ?.close('keep', 'its opening could not be recorded')
      .catch((failure: unknown) => log.error({ sandboxId: order.id, err: failure }, 'sandbox not fully removed'));
    throw error;
  }
}

const stopping = (order: SandboxOrder): SandboxError =>
  new SandboxError('SHUTTING_DOWN', `Cannot open session ${order.session}: the daemon is stopping`);
