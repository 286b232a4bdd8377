// Tokens that are not to be honoured any more, though they are signed and not expired. Owns the list and its file, and notices
// when another process (the command line) has added to it.

import { stat } from 'node:fs/promises';
import { z } from 'zod';
import { SandboxError } from '../../client/protocol/errors.ts';
import { readJsonFile, writeFileAtomic } from '../observe/atomic-file.ts';
import type { Principal } from './principal.ts';

const MAX_REVOKED = 20_000;
const LOOK_MS = 1000;

const File = z.array(z.strictObject({ id: z.string(), untilMs: z.number() })).max(MAX_REVOKED);

export class RevocationList {
  readonly #path: string;
  /** Token id -> when its tokens have expired anyway. */
  #revoked = new Map<string, number>();
  #stamp = '';
  #lookedAtMs = Number.NEGATIVE_INFINITY;

  constructor(path: string) {
    this.#path = path;
  }

  /** Throws UNAUTHENTICATED if the token, or one it was narrowed from, was revoked. */
  async assertHonoured(principal: Pick<Principal, 'tokenId' | 'parents'>, nowMs: number): Promise<void> {
    if (nowMs - this.#lookedAtMs >= LOOK_MS || nowMs < this.#lookedAtMs) {
      this.#lookedAtMs = nowMs;
      await this.#read();
    }
    if (this.isRevoked(principal)) throw new SandboxError('UNAUTHENTICATED', 'Cannot authenticate: the token was revoked');
  }

  isRevoked(principal: Pick<Principal, 'tokenId' | 'parents'>): boolean {
    return this.#revoked.has(principal.tokenId) || (principal.parents ?? []).some((id) => this.#revoked.has(id));
  }

  /** `untilMs`: when the token, and all narrowed from it, have expired. */
  async revoke(id: string, untilMs: number, nowMs: number): Promise<void> {
    await this.#read();
    const kept = [...this.#revoked].filter(([, until]) => until > nowMs);
    if (kept.length >= MAX_REVOKED)
      throw new SandboxError('CAPACITY', `Cannot revoke token ${id}: ${MAX_REVOKED} are revoked already`, {
        hint: 'Rotate the key instead: cloister token rotate --grace 0s ends all tokens.',
      });
    const next = new Map(kept).set(id, untilMs);
    await writeFileAtomic(this.#path, JSON.stringify([...next].map(([tokenId, until]) => ({ id: tokenId, untilMs: until }))));
    this.#revoked = next;
    this.#stamp = await stampOf(this.#path);
  }

  async #read(): Promise<void> {
    const stamp = await stampOf(this.#path);
    if (stamp === this.#stamp) return;
    const list = (await readJsonFile(this.#path, File)) ?? [];
    this.#revoked = new Map(list.map(({ id, untilMs }) => [id, untilMs]));
    this.#stamp = stamp;
  }
}

async function stampOf(path: string): Promise<string> {
  const found = await stat(path, { bigint: true }).catch(() => null);
  return found === null ? '-' : `${found.ino}.${found.mtimeNs}`;
}
