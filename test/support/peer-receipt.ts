// What the test peer says it enforces: a receipt of the right shape about nothing.

import { DEFAULT_LIMITS, OpenResult, type ParsedParams } from '../../client/protocol/index.ts';

export function examplePolicy(id: string, request: ParsedParams<'open'>): OpenResult {
  const limits = { ...DEFAULT_LIMITS, ...request.limits };
  const none: string[] = [];
  return OpenResult.parse({
    id,
    session: request.session,
    tenant: request.tenant ?? 'acme',
    created: true,
    startKind: 'cold',
    role: request.role,
    limits,
    expiresAt: null,
    receipt: {
      sandboxId: id,
      at: new Date().toISOString(),
      runtime: 'runc',
      image: { name: 'base', id: 'sha256:0' },
      uid: 200_000,
      gid: 200_000,
      capabilities: { inheritable: none, permitted: none, effective: none, bounding: none, ambient: none },
      noNewPrivs: true,
      seccomp: { mode: 2, profile: 'strict', sha256: '0'.repeat(64) },
      mounts: [],
      network: { interfaces: ['lo'], routes: none },
      limits: {
        memoryBytes: limits.memoryBytes,
        cpus: limits.cpus,
        pids: limits.pids,
        diskBytes: limits.diskBytes,
        tmpBytes: limits.tmpBytes,
      },
      workspace: { name: request.session, store: 'directory', quota: 'none' },
      profile: request.profile ?? 'workspace-write-no-network',
      policySha256: '0'.repeat(64),
      daemonVersion: '0.0.0',
      signature: 'none',
    },
  });
}
