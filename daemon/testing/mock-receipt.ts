// The receipt of a sandbox that confines nothing: the right shape, a valid signature, and `mock` wherever a reader might believe it.

import type { KeyObject } from 'node:crypto';
import type { Receipt } from '../../client/protocol/receipt.ts';
import { signReceipt } from '../container/receipt-signature.ts';
import type { SandboxOrder } from '../session/running-sandbox.ts';

export interface MockReceiptOptions {
  readonly order: SandboxOrder;
  readonly uid: number;
  readonly key: KeyObject;
  readonly at: Date;
  readonly daemonVersion: string;
}

export function mockReceipt({ order, uid, key, at, daemonVersion }: MockReceiptOptions): Receipt {
  const { policy } = order;
  const { memoryBytes, cpus, pids, tmpBytes } = policy.limits;
  const none: string[] = [];
  return signReceipt(
    {
      sandboxId: order.id,
      at: at.toISOString(),
      runtime: 'mock',
      image: { name: policy.imageName, id: policy.imageReference },
      uid,
      gid: uid,
      capabilities: { inheritable: none, permitted: none, effective: none, bounding: none, ambient: none },
      noNewPrivs: false,
      seccomp: { mode: 0, profile: 'mock', sha256: '0'.repeat(64) },
      mounts: [],
      network: { interfaces: none, routes: none },
      limits: { memoryBytes, cpus, pids, tmpBytes, diskBytes: null },
      workspace: { name: order.workspaceName, store: 'mock', quota: 'none' },
      profile: policy.profileName,
      policySha256: policy.sha256,
      daemonVersion,
    },
    key,
  );
}
