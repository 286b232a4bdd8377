// What an earlier daemon left: sandboxes that still run are taken over, everything else of ours is removed.

import type { SessionName, TenantName } from '../../client/protocol/names.ts';
import type { WorkspaceRetention } from '../../client/protocol/session.ts';
import type { ContainerSummary } from '../container/driver.ts';
import { ContainerSandbox, type ContainerSandboxOptions } from './container-sandbox.ts';
import type { AdoptedSandbox, SandboxOrder } from './running-sandbox.ts';
import type { SandboxRecord } from './sandbox-record.ts';

const RECONNECT_LIMIT_MS = 10_000;

export type AdoptionOptions = Omit<ContainerSandboxOptions, 'record'> & { readonly instanceId: string };

export async function adoptSandboxes(options: AdoptionOptions): Promise<readonly AdoptedSandbox[]> {
  const { driver, records, runtimeDirs, instanceId, log } = options;
  const containers = await driver.list({ labels: { 'cloister.instance': instanceId }, all: true });
  const { records: known, broken } = await records.list();
  for (const path of broken) log.error({ path }, 'sandbox record cannot be read; its container is removed, its workspace kept');
  const bySandbox = new Map(containers.map((container) => [container.labels['cloister.sandbox'] ?? '', container]));
  const adopted = await Promise.all(known.map((record) => adoptOne(options, record, bySandbox.get(record.id))));
  const kept = new Set(adopted.filter((one) => one !== null).map((one) => one.order.id as string));
  for (const container of containers) {
    if (kept.has(container.labels['cloister.sandbox'] ?? '')) continue;
    log.warn({ containerId: container.id, sandboxId: container.labels['cloister.sandbox'] }, 'container without a usable record removed');
    await driver.remove(container.id, { force: true });
  }
  const slots = new Set([...kept].map((id) => id.slice('sb_'.length)));
  for (const slot of await runtimeDirs.listSlots()) if (!slots.has(slot)) await runtimeDirs.removeSlot(slot);
  return adopted.filter((one) => one !== null);
}

async function adoptOne(
  options: AdoptionOptions,
  record: SandboxRecord,
  container: ContainerSummary | undefined,
): Promise<AdoptedSandbox | null> {
  const sandbox = new ContainerSandbox({ ...options, record });
  const discard = async (reason: string, workspace: WorkspaceRetention = 'keep'): Promise<null> => {
    options.log.warn({ sandboxId: record.id, reason }, 'sandbox of an earlier daemon ended');
    // A workspace is only deleted when somebody asks; a crash is nobody.
    await sandbox
      .close(workspace, reason)
      .catch((error: unknown) => options.log.error({ sandboxId: record.id, err: error }, 'sandbox not fully removed'));
    return null;
  };
  const { tenant, session } = record;
  // Its image, profile or limits may not be those of this daemon any more, and it is nobody's: another one is made.
  if (tenant === null || session === null) return discard('it was a spare', 'delete');
  if (container === undefined) return discard('its container is gone');
  if (container.state !== 'running' && container.state !== 'paused') return discard(`its container is ${container.state}`);
  if (record.receipt === null) return discard('it was never handed out');
  try {
    sandbox.created(container.id);
    await sandbox.listen();
    // A paused one could not answer, and one that was about to be paused has stopped its clocks already.
    if (container.state === 'paused') await options.driver.unpause(container.id);
    await sandbox.link.waitUntilUp({ timeoutMs: RECONNECT_LIMIT_MS });
    sandbox.link.startClocks();
    await sandbox.watch();
    return { order: orderOf(record, tenant, session), sandbox };
  } catch (error) {
    return discard(error instanceof Error ? error.message : 'it does not answer');
  }
}

function orderOf(record: SandboxRecord, tenant: TenantName, session: SessionName): SandboxOrder {
  const { id, workspaceName, hostPath, policy, labels, env, retain, createdAtMs, expiresAtMs, idleMs } = record;
  return { id, tenant, session, workspaceName, hostPath, policy, labels, env, retain, createdAtMs, expiresAtMs, idleMs };
}
