// Secrets that are kept nowhere: what a gateway sees of them.

import type { SecretStore } from '../../daemon/secrets/secret-store.ts';

export class FakeSecrets {
  readonly names = new Map<string, string>();

  find(): null {
    return null;
  }

  async of(): Promise<{ set(name: string, secret: { value: string }): Promise<void> }> {
    return { set: async (name, { value }) => void this.names.set(name, value) };
  }

  /** What stands in for a class with private parts has to be cast. */
  get store(): SecretStore {
    return this as unknown as SecretStore;
  }
}
