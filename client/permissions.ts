// What one sandbox may do by the rules: those in force, and what they say of a call. The daemon decides; nothing is judged here.

import type { Connection } from './connection.ts';
import type { PermissionsExplained, PermissionsInForce } from './protocol/index.ts';

/** What permissions need of a sandbox. */
interface PermissionsHost {
  readonly connection: Connection;
  readonly failure: Error | undefined;
}

export class SandboxPermissions {
  readonly #host: PermissionsHost;
  readonly #sandbox: string;

  /** Made by Sandbox. */
  constructor(host: PermissionsHost, sandbox: string) {
    this.#host = host;
    this.#sandbox = sandbox;
  }

  /** The rules in force with where each comes from, and the hash that audit records name. */
  async get(): Promise<PermissionsInForce> {
    if (this.#host.failure !== undefined) throw this.#host.failure;
    return await this.#host.connection.call('permissions.get', { sandbox: this.#sandbox });
  }

  /**
   * What would become of a command, and which rule says so. Nothing is started, nobody is asked.
   * @example const { verdict, rule, remedy } = await sandbox.permissions.explain('sudo rm -rf /');
   */
  async explain(command: string | readonly string[]): Promise<PermissionsExplained> {
    if (this.#host.failure !== undefined) throw this.#host.failure;
    return await this.#host.connection.call('permissions.explain', {
      sandbox: this.#sandbox,
      command: typeof command === 'string' ? command : [...command],
    });
  }

  /** The same of another tool: `explainCall('files.write', { path: 'src/a.ts' })`. */
  async explainCall(tool: string, args: Readonly<Record<string, string>>): Promise<PermissionsExplained> {
    if (this.#host.failure !== undefined) throw this.#host.failure;
    return await this.#host.connection.call('permissions.explain', { sandbox: this.#sandbox, tool, args: { ...args } });
  }
}
