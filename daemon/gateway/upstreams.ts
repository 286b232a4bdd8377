// The links of one client's connection to other members, one each, made when they are first needed. Owns how many there are.

import { SandboxError } from '../../client/protocol/errors.ts';
import type { MemberRecord } from '../fleet/placement-store.ts';
import { Upstream, type UpstreamOptions } from './upstream.ts';

const MAX_UPSTREAMS = 64;
/** It is kept as long as the connection; none that is valid is longer. */
const MAX_HELLO_CHARACTERS = 4096;

export type UpstreamsOptions = Omit<UpstreamOptions, 'member' | 'hello'>;

export class Upstreams {
  readonly #options: UpstreamsOptions;
  readonly #links = new Map<string, { readonly url: string; readonly link: Promise<Upstream> }>();
  #hello: UpstreamOptions['hello'] | null = null;
  #isEnded = false;

  constructor(options: UpstreamsOptions) {
    this.#options = options;
  }

  /** The client has introduced itself, and is introduced so to others. */
  greetWith(hello: UpstreamOptions['hello']): void {
    if (hello.text.length <= MAX_HELLO_CHARACTERS) this.#hello ??= hello;
  }

  get canDial(): boolean {
    return this.#hello !== null;
  }

  /** Rejects with OWNER_UNAVAILABLE where it can't be reached. */
  async to(member: MemberRecord): Promise<Upstream> {
    const known = this.#links.get(member.id);
    if (known?.url === member.url) return await known.link;
    if (this.#hello === null) throw new SandboxError('INVALID_REQUEST', 'Cannot call this: hello comes first');
    if (this.#links.size >= MAX_UPSTREAMS)
      throw new SandboxError(
        'QUOTA_EXCEEDED',
        `Cannot pass the call on: this connection has sandboxes at ${MAX_UPSTREAMS} members already`,
      );
    const link = Upstream.dial({
      ...this.#options,
      member,
      hello: this.#hello,
      onLost: (upstream, code, reason) => {
        this.#forget(link);
        this.#options.onLost(upstream, code, reason);
      },
    });
    this.#links.set(member.id, { url: member.url, link });
    link.then(
      (upstream) => {
        if (this.#isEnded) upstream.end();
      },
      () => this.#forget(link),
    );
    return await link;
  }

  /** Nothing goes there any more. */
  release(upstream: Upstream): void {
    this.#links.delete(upstream.member.id);
    upstream.end();
  }

  pause(): void {
    this.#each((upstream) => upstream.pause());
  }

  resume(): void {
    this.#each((upstream) => upstream.resume());
  }

  end(): void {
    this.#isEnded = true;
    this.#each((upstream) => upstream.end());
    this.#links.clear();
  }

  #each(act: (upstream: Upstream) => void): void {
    for (const { link } of this.#links.values()) void link.then(act).catch(() => undefined);
  }

  #forget(link: Promise<Upstream>): void {
    for (const [id, known] of this.#links) if (known.link === link) this.#links.delete(id);
  }
}
