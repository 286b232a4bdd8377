// Records of host directories as workspaces: one tenant per directory, and nothing above or below it for another. Owns that
// rule; the directories themselves are host-directories.ts's.

import { SandboxError } from '../../client/protocol/errors.ts';
import type { Clock } from '../observe/clock.ts';
import { type HostDirectories, overlaps } from './host-directories.ts';
import { newWorkspaceId } from './store.ts';
import type { WorkspaceRecord, WorkspaceRecords } from './workspace-records.ts';

export interface HostWorkspacesOptions {
  readonly directories: HostDirectories;
  readonly records: WorkspaceRecords;
  readonly clock: Clock;
}

export interface HostClaim {
  readonly tenant: string;
  readonly name: string;
  readonly hostPath: string;
}

export class HostWorkspaces {
  readonly #options: HostWorkspacesOptions;

  constructor(options: HostWorkspacesOptions) {
    this.#options = options;
  }

  /** Binds the directory and answers its record, made if there is none. */
  async claim({ tenant, name, hostPath }: HostClaim): Promise<{ readonly record: WorkspaceRecord; readonly isNew: boolean }> {
    const { directories, records, clock } = this.#options;
    const cannot = `Cannot use host directory ${JSON.stringify(hostPath.slice(0, 300))}`;
    const known = records.find(tenant, name);
    if (known !== undefined && known.hostPath !== hostPath)
      throw new SandboxError('POLICY_INVALID', `${cannot}: workspace ${name} is another one`, { hint: 'Choose another workspace name.' });
    const holder = records
      .list()
      .find((other) => other.hostPath !== undefined && other.tenant !== tenant && overlaps(other.hostPath, hostPath));
    if (holder !== undefined)
      throw new SandboxError('FORBIDDEN', `${cannot}: it, or one above or below it, belongs to another tenant`, {
        hint: 'An operator gives it free by closing that session with workspace: delete, which leaves its files.',
      });
    const id = known?.id ?? newWorkspaceId();
    // Mounts that a crash leaves are found by their place, with or without a record.
    const { uid, gid } = await directories.bind(id, hostPath);
    if (known !== undefined && known.uid === uid && known.gid === gid) return { record: known, isNew: false };
    if (known !== undefined) return { record: await records.update(id, { uid, gid }), isNew: false };
    const record: WorkspaceRecord = {
      id,
      tenant,
      name,
      uid,
      gid,
      lineage: id,
      createdAt: new Date(clock.now()).toISOString(),
      retain: 'keep',
      maxBytes: null,
      store: 'host',
      hostPath,
    };
    try {
      await records.add(record);
    } catch (error) {
      await directories.unbind(id);
      throw error;
    }
    return { record, isNew: true };
  }

  /** The files stay where they are. */
  async forget(id: string): Promise<void> {
    await this.#options.directories.unbind(id);
    await this.#options.records.remove(id);
  }
}
