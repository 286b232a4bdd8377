// What operators do to a running daemon: its open questions and its configuration.

import type { Connection } from './connection.ts';
import type { ConfigChange, ConfigInForce, ConfirmAnswer, ConfirmRequest, Params } from './protocol/index.ts';

export class Operations {
  readonly #connection: Connection;

  /** Made by Cloister. */
  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** Questions that wait, oldest first: an operator sees all, others those of sessions they control. */
  async confirmations(options: Readonly<Params<'confirm.list'>> = {}): Promise<ConfirmRequest[]> {
    return (await this.#connection.call('confirm.list', options)).confirmations;
  }

  /** Rejects with NOT_FOUND if it was answered before, or too late. */
  async answer({ sandboxId, id }: Pick<ConfirmRequest, 'sandboxId' | 'id'>, answer: Exclude<ConfirmAnswer, 'nobody'>): Promise<void> {
    await this.#connection.call('confirm.answer', { sandbox: sandboxId, id, answer });
  }

  /** Every key in force, secrets masked. */
  async config(): Promise<ConfigInForce> {
    return await this.#connection.call('config.get', {});
  }

  /** Reads the configuration again: all of it holds then, or nothing has changed and the promise rejects with POLICY_INVALID. */
  async reloadConfig(): Promise<ConfigChange> {
    return await this.#connection.call('config.reload', {});
  }

  /** Back to what held before the last change; the file is left as it is. */
  async revertConfig(): Promise<ConfigChange> {
    return await this.#connection.call('config.revert', {});
  }
}
