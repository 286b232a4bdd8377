// Makes the sandboxes of the daemon of tests. Stands where the factory of containers stands.

import { existsSync } from 'node:fs';
import type { KeyObject } from 'node:crypto';
import type { SpoolStore } from '../exec/spool-store.ts';
import type { Clock } from '../observe/clock.ts';
import type { Log } from '../observe/log.ts';
import type { SecretStore } from '../secrets/secret-store.ts';
import type { AdoptedSandbox, RunningSandbox, SandboxMaker, SandboxOrder } from '../session/running-sandbox.ts';
import type { WorkspaceKeeper } from '../workspace/workspace-keeper.ts';
import { type MockCommands, standFor } from './mock-commands.ts';
import { mockReceipt } from './mock-receipt.ts';
import { MockSandbox } from './mock-sandbox.ts';

export interface MockMakerOptions {
  readonly commands: MockCommands;
  readonly path: string;
  readonly stateDir: string;
  readonly workspaces: WorkspaceKeeper;
  readonly secrets: SecretStore;
  readonly spools: SpoolStore;
  readonly receiptKey: KeyObject;
  readonly version: string;
  readonly clock: Clock;
  readonly log: Log;
}

export class MockMaker implements SandboxMaker {
  readonly #options: MockMakerOptions;

  constructor(options: MockMakerOptions) {
    this.#options = options;
  }

  async make(order: SandboxOrder, signal: AbortSignal): Promise<RunningSandbox> {
    const { commands, workspaces, receiptKey: key, clock, version: daemonVersion } = this.#options;
    const { tenant, workspaceName: name, retain, hostPath } = order;
    const { record } = await workspaces.claim({ tenant, name, retain, maxBytes: null, hostPath });
    return await MockSandbox.start(
      {
        ...this.#options,
        order,
        receipt: mockReceipt({ order, uid: record.uid, key, at: new Date(clock.now()), daemonVersion }),
        workspaceId: record.id,
        shell: existsSync('/bin/bash') ? 'bash' : 'sh',
        stand: (argv) => standFor(commands, argv),
      },
      signal,
    );
  }

  reserve(): null {
    return null;
  }

  async claim(): Promise<null> {
    return null;
  }

  async adopt(): Promise<readonly AdoptedSandbox[]> {
    return [];
  }

  start(): void {
    // There are no spares.
  }

  async stop(): Promise<void> {
    // There are no spares.
  }
}
