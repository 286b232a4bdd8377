// The secrets of one sandbox. Values go to the daemon and are never answered.

import type { Connection } from './connection.ts';
import type { Secret } from './protocol/index.ts';

/** What secrets need of a sandbox. */
interface SecretsHost {
  readonly connection: Connection;
  readonly failure: Error | undefined;
}

export class SandboxSecrets {
  readonly #host: SecretsHost;
  readonly #sandbox: string;

  /** Made by Sandbox. */
  constructor(host: SecretsHost, sandbox: string) {
    this.#host = host;
    this.#sandbox = sandbox;
  }

  /**
   * Sets or replaces a secret, for the sandbox's controller. Commands started from now on that name it have it in their
   * environment; its value, and those it had before, are left out of all their output (`[redacted:NAME]`).
   * With `as: 'header'` the sandbox only ever holds a placeholder, which the proxy replaces on the way to `hosts`.
   * @example
   *   await sandbox.secrets.set('NPM_TOKEN', { value: token });
   *   await sandbox.exec('npm publish', { secrets: ['NPM_TOKEN'] });
   */
  async set(name: string, secret: Secret): Promise<void> {
    if (this.#host.failure !== undefined) throw this.#host.failure;
    await this.#host.connection.call('secrets.set', { sandbox: this.#sandbox, name, secret });
  }
}
