// The directory store keeps the contract of workspace stores, and is honest about having no quota.

import { describe, expect, it } from 'vitest';
import { openWorkspaceStore } from '../../daemon/workspace/open-store.ts';
import { newWorkspaceId } from '../../daemon/workspace/store.ts';
import { MIB, newStateDir, removeStateDir, silentLog, workspaceStoreContract } from '../contract/workspace-store-contract.ts';

workspaceStoreContract({
  name: 'directory',
  hasQuota: false,
  open: async (stateDir, options) =>
    await openWorkspaceStore({ stateDir, kind: 'directory', acceptNoQuota: false, log: silentLog, floorBytes: 64 * MIB, ...options }),
});

describe('directory store', () => {
  it('refuses a disk limit unless the operator accepted that none is enforced, and then states that none is', async () => {
    const stateDir = await newStateDir();
    const request = { id: newWorkspaceId(), uid: 231_100, gid: 231_100, maxBytes: 64 * MIB, tenant: 'acme' };
    const strict = await openWorkspaceStore({ stateDir, kind: 'directory', acceptNoQuota: false, log: silentLog });
    await expect(strict.create(request)).rejects.toMatchObject({
      code: 'POLICY_INVALID',
      message: expect.stringContaining('enforces no quota') as string,
    });
    expect(await strict.list()).toEqual([]);
    const lax = await openWorkspaceStore({ stateDir, kind: 'directory', acceptNoQuota: true, log: silentLog });
    await lax.create(request);
    expect(await lax.quota(request.id)).toEqual({ maxBytes: null });
    await lax.dispose();
    await removeStateDir(stateDir);
  });
});
