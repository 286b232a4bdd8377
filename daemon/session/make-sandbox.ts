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
  return onRecord(options, order, 'cold', signal, () => options.maker.make(order, signal));
}

/** null: the spare was no good any more, and nothing of it is left. */
export async function claimSpare(options: MakeOptions, order: SandboxOrder, signal: AbortSignal): Promise<RunningSandbox | null> {
  return onRecord(options, order, 'warm', signal, () => options.maker.claim(order, signal));
}

async function onRecord<T extends RunningSandbox | null>(
  { audit, log }: MakeOptions,
  order: SandboxOrder,
  startKind: 'warm' | 'cold',
  signal: AbortSignal,
  begin: () => Promise<T>,
): Promise<T> {
  const identity = {
    tenant: order.tenant,
    session: order.session,
    sandboxId: order.id,
    policySha256: order.policy.sha256,
    labels: order.labels,
  };
  let sandbox: T | null = null;
  try {
    if (signal.aborted) throw stopping(order);
    sandbox = await begin();
    if (sandbox !== null) audit.append({ kind: 'sandbox.open', ...identity, outcome: 'done', startKind, receipt: sandbox.receipt });
    return sandbox;
  } catch (cause) {
    const error = signal.aborted && !SandboxError.is(cause) ? stopping(order) : cause;
    recordAnyway(
      { audit, log },
      {
        kind: 'sandbox.open',
        ...identity,
        outcome: 'failed',
        code: SandboxError.is(error) ? error.code : 'INTERNAL',
        message: String(error),
      },
    );
    log.warn({ ...identity, err: error }, 'sandbox not opened');
    await sandbox
      ?.close('keep', 'its opening could not be recorded')
      .catch((failure: unknown) => log.error({ sandboxId: order.id, err: failure }, 'sandbox not fully removed'));
    throw error;
  }
}

const stopping = (order: SandboxOrder): SandboxError =>
  new SandboxError('SHUTTING_DOWN', `Cannot open session ${order.session}: the daemon is stopping`);
