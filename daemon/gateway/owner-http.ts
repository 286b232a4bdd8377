// Plain HTTP in a fleet: what is about another member's sandbox is answered by that member, and the list of sandboxes by all. Owns which
// requests those are; each goes one hop and no further, with the caller's own token.

import type { IncomingMessage } from 'node:http';
import { z } from 'zod';
import { SandboxError } from '../../client/protocol/errors.ts';
import type { Routing } from '../fleet/routing.ts';
import type { Log } from '../observe/log.ts';
import { bearerOf } from './bearer.ts';
import type { HttpAnswer } from './http-answer.ts';
import { MEMBER_HEADER } from './member-header.ts';

const OF_SANDBOX = /^\/v1\/(?:sandboxes|inspect)\/(sb_[a-z2-7]{20})(?:[/?]|$)/;
const OF_ALL = /^\/v1\/sandboxes(?:\?|$)/;
const ANSWER_MS = 2000;

const Listing = z.object({ sandboxes: z.array(z.unknown()) });

export interface OwnerHttpOptions {
  readonly routing: Routing;
  readonly self: string;
  readonly isHere: (sandbox: string) => boolean;
  readonly log: Log;
}

export class OwnerHttp {
  readonly #options: OwnerHttpOptions;

  constructor(options: OwnerHttpOptions) {
    this.#options = options;
  }

  /** `own` answers what is this member's to answer. The request has been authenticated here, or `own` refuses it. */
  async answer(request: IncomingMessage, isKnown: boolean, own: () => Promise<HttpAnswer>): Promise<HttpAnswer> {
    const { url = '/' } = request;
    if (request.method !== 'GET' || !isKnown || request.headers[MEMBER_HEADER] !== undefined) return await own();
    const [, sandbox] = OF_SANDBOX.exec(url) ?? [];
    if (sandbox !== undefined && !this.#options.isHere(sandbox)) {
      const member = await this.#options.routing.ownerOf(sandbox);
      return member === null ? await own() : { web: await this.#fetch(member.url, request, url) };
    }
    return OF_ALL.test(url) ? await this.#all(request, url, await own()) : await own();
  }

  async #all(request: IncomingMessage, url: string, own: HttpAnswer): Promise<HttpAnswer> {
    const listed = 'body' in own ? Listing.safeParse(own.body).data : undefined;
    if (listed === undefined) return own;
    const members = await this.#options.routing.others().catch(() => []);
    const others = await Promise.all(
      members.map(async (member) => {
        try {
          const response = await this.#fetch(member.url, request, url, AbortSignal.timeout(ANSWER_MS));
          return Listing.parse(await response.json()).sandboxes;
        } catch (error) {
          this.#options.log.warn({ err: error, member: member.id }, 'a member of the fleet is left out of a list');
          return [];
        }
      }),
    );
    return { status: 200, body: { sandboxes: [...listed.sandboxes, ...others.flat()] } };
  }

  async #fetch(base: string, request: IncomingMessage, url: string, signal?: AbortSignal): Promise<Response> {
    const headers = { authorization: `Bearer ${bearerOf(request.headers.authorization)}`, [MEMBER_HEADER]: this.#options.self };
    try {
      return await fetch(new URL(url, base), { headers, redirect: 'error', ...(signal === undefined ? {} : { signal }) });
    } catch (cause) {
      throw new SandboxError('OWNER_UNAVAILABLE', 'Cannot answer: the member of the fleet that has the sandbox does not answer', { cause });
    }
  }
}
