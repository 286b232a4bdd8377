// The secrets of one session. Owns the values from the moment they are set until they are zeroed: in memory as Buffers, on
// disk sealed (so that a daemon that was killed can go on redacting), nowhere else. Who uses it:
//   - exec.start: `environment(names)` at the moment a command is started, and `placeholders()` for every command;
//   - the proxy (daemon/egress): `headerSecrets()` now, and again whenever `onChange` calls. It must send a value only to a
//     host that matches the secret's `hosts`, over TLS it has verified, and never write it anywhere;
//   - output: `filter(generation, …)`; text of records and errors: `redactText`.
// Knows nothing of commands, connections or the network.

import { randomBytes } from 'node:crypto';
import { SandboxError } from '../../client/protocol/errors.ts';
import type { SandboxId } from '../../client/protocol/names.ts';
import { MAX_SECRETS, type Secret } from '../../client/protocol/secrets.ts';
import { OutputRedactor, type OutputRedactorOptions } from './output-redactor.ts';
import { RedactionAutomaton } from './redaction-automaton.ts';
import { redactText } from './redact-text.ts';
import type { SealedSecret, SecretVault } from './secret-vault.ts';

/** Values that are kept out of output: those in force and those they have replaced. */
const MAX_VALUES = 2 * MAX_SECRETS;
/** Bytes of the values in force; the tables that find them are some hundred times as large. */
const MAX_BYTES = 16 * 1024;
const PLACEHOLDER_PREFIX = 'cloister-secret-';

/** A secret that the sandbox itself never holds. */
export interface HeaderSecret {
  readonly name: string;
  /** What the sandbox sends in its place; unguessable, of this session alone. */
  readonly placeholder: string;
  /** Host names and `*.suffixes`, lower case. */
  readonly hosts: readonly string[];
  /** Zeroed when it is replaced or the session closes: use it, don't keep it. */
  readonly value: Buffer;
}

interface Held {
  readonly name: string;
  readonly value: Buffer;
  readonly as: 'env' | 'header';
  readonly hosts: readonly string[];
  readonly placeholder: string;
  /** It came with this change of the session's secrets. */
  readonly generation: number;
}

export class SessionSecrets {
  readonly #sandboxId: SandboxId;
  readonly #vault: SecretVault;
  /** Oldest first; the last one of a name is in force. */
  #held: Held[];
  readonly #listeners = new Set<() => void>();
  /** The automaton of the newest generation; older ones live with their commands. */
  #automaton: { readonly generation: number; readonly automaton: RedactionAutomaton } | null = null;
  #saving: Promise<void> = Promise.resolve();
  #isClosed = false;

  private constructor(sandboxId: SandboxId, vault: SecretVault, held: Held[]) {
    this.#sandboxId = sandboxId;
    this.#vault = vault;
    this.#held = held;
  }

  /** With what an earlier daemon sealed for this sandbox. Throws if that can't be opened: its output could not be kept clean. */
  static async open(sandboxId: SandboxId, vault: SecretVault): Promise<SessionSecrets> {
    const sealed = await vault.load(sandboxId);
    return new SessionSecrets(
      sandboxId,
      vault,
      sealed.map((one) => ({ ...one, value: Buffer.from(one.value, 'base64') })),
    );
  }

  /** Counts the changes; 0: there never was a secret. */
  get generation(): number {
    return this.#held.at(-1)?.generation ?? 0;
  }

  /** In force: names, never values. */
  list(): readonly { readonly name: string; readonly as: 'env' | 'header'; readonly hosts: readonly string[] }[] {
    return [...this.#inForce().values()].map(({ name, as, hosts }) => ({ name, as, hosts }));
  }

  /** Sets or replaces one; in force, and sealed for the next daemon, when this resolves. */
  async set(name: string, secret: Secret): Promise<void> {
    this.#assertOpen();
    const inForce = this.#inForce();
    const former = inForce.get(name);
    if (former === undefined && inForce.size >= MAX_SECRETS)
      throw new SandboxError('QUOTA_EXCEEDED', `Cannot set secret ${name}: a session has at most ${MAX_SECRETS}`);
    const value = Buffer.from(secret.value, 'utf8');
    // A request that is repeated after a lost connection changes nothing.
    if (
      former !== undefined &&
      former.value.equals(value) &&
      former.as === (secret.as ?? 'env') &&
      former.hosts.join() === hostsOf(secret).join()
    )
      return;
    inForce.delete(name);
    if (bytesOf(inForce.values()) + value.length > MAX_BYTES)
      throw new SandboxError('QUOTA_EXCEEDED', `Cannot set secret ${name}: those of a session have at most ${MAX_BYTES} bytes together`);
    const held: Held = {
      name,
      value,
      as: secret.as ?? 'env',
      hosts: hostsOf(secret),
      // Kept over a change of the value: commands that run go on using it.
      placeholder: former?.placeholder ?? `${PLACEHOLDER_PREFIX}${randomBytes(24).toString('base64url')}`,
      generation: this.generation + 1,
    };
    this.#held.push(held);
    this.#dropOldest();
    this.#automaton = null;
    await this.#save();
    for (const listener of this.#listeners) listener();
  }

  /** Environment of a command that names these. Throws INVALID_REQUEST for a name that is not set. */
  environment(names: readonly string[]): Record<string, string> {
    const env: Record<string, string> = {};
    if (names.length === 0) return env;
    this.#assertOpen();
    const inForce = this.#inForce();
    for (const name of names) {
      const held = inForce.get(name);
      if (held === undefined)
        throw new SandboxError('INVALID_REQUEST', `Cannot use secret ${name}: the session has none of this name`, {
          hint: 'Set it first: open({ secrets }) or sandbox.secrets.set(name, secret).',
        });
      env[name] = held.as === 'env' ? held.value.toString('utf8') : held.placeholder;
    }
    return env;
  }

  /** What every command has: names of `header` secrets with their placeholders, which are worth nothing outside. */
  placeholders(): Record<string, string> {
    const env: Record<string, string> = {};
    if (this.#held.length === 0) return env;
    for (const held of this.#inForce().values()) if (held.as === 'header') env[held.name] = held.placeholder;
    return env;
  }

  headerSecrets(): readonly HeaderSecret[] {
    return [...this.#inForce().values()].filter(({ as }) => as === 'header');
  }

  /** Calls back after every change; the result takes the listener off. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Keeps the values of this generation and all before it out of one command's output. */
  filter(generation: number, start: Omit<OutputRedactorOptions, 'automaton'>): OutputRedactor {
    return new OutputRedactor({ ...start, automaton: this.#redaction(generation) });
  }

  /** For records, errors and everything else that is a text and not a stream. */
  redactText(text: string): string {
    return this.#held.length === 0 ? text : redactText(this.#redaction(this.generation), text);
  }

  /** The session is over: nothing of the values is left in our hands. */
  async close(): Promise<void> {
    this.detach();
    await this.#saving.catch(() => undefined);
    await this.#vault.remove(this.#sandboxId);
  }

  /** This daemon leaves; what is sealed stays for the next one. */
  detach(): void {
    this.#isClosed = true;
    for (const { value } of this.#held) value.fill(0);
    this.#held = [];
    this.#automaton = null;
    this.#listeners.clear();
  }

  #redaction(generation: number): RedactionAutomaton {
    if (this.#automaton?.generation === generation) return this.#automaton.automaton;
    const automaton = new RedactionAutomaton(this.#held.filter((held) => held.generation <= generation));
    if (generation === this.generation) this.#automaton = { generation, automaton };
    return automaton;
  }

  #inForce(): Map<string, Held> {
    return new Map(this.#held.map((held) => [held.name, held]));
  }

  /** A value that was replaced long ago makes room; those in force never go. */
  #dropOldest(): void {
    while (this.#held.length > MAX_VALUES || bytesOf(this.#held) > 2 * MAX_BYTES) {
      const inForce = new Set(this.#inForce().values());
      const index = this.#held.findIndex((held) => !inForce.has(held));
      for (const { value } of this.#held.splice(index, 1)) value.fill(0);
    }
  }

  /** One write after the other, so that the last one written is the last one set. */
  #save(): Promise<void> {
    const saving = this.#saving
      .catch(() => undefined)
      .then(async () => {
        if (this.#isClosed) return;
        const sealed = this.#held.map(
          ({ value, ...rest }): SealedSecret => ({ ...rest, hosts: [...rest.hosts], value: value.toString('base64') }),
        );
        await this.#vault.save(this.#sandboxId, sealed);
      });
    this.#saving = saving;
    return saving;
  }

  #assertOpen(): void {
    if (this.#isClosed) throw new SandboxError('SESSION_EXPIRED', `Cannot use the secrets of sandbox ${this.#sandboxId}: it is closed`);
  }
}

const hostsOf = (secret: Secret): readonly string[] => (secret.hosts ?? []).map((host) => host.toLowerCase());
const bytesOf = (held: Iterable<Held>): number => [...held].reduce((sum, { value }) => sum + value.length, 0);
