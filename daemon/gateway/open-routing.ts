// Opens a session at the member that has it or is to get it. Owns the second try where two members chose at once, and what is said of
// an owner that can't be reached; knows no sockets.

import { setTimeout as sleep } from 'node:timers/promises';
import { ERROR_CODES, SandboxError, type ErrorCode } from '../../client/protocol/errors.ts';
import { SandboxId } from '../../client/protocol/names.ts';
import { OpenRequest } from '../../client/protocol/session.ts';
import { z } from 'zod';
import { tenantOf } from '../auth/access.ts';
import type { Principal } from '../auth/principal.ts';
import { ownerAway } from '../fleet/owner-away.ts';
import type { Asked, Route, Routing } from '../fleet/routing.ts';
import type { Upstream } from './upstream.ts';
import type { Upstreams } from './upstreams.ts';

const MAX_ATTEMPTS = 4;
const AGAIN_MS = 50;

export interface OpenRoutingOptions {
  readonly routing: Routing;
  readonly principal: Principal;
  readonly upstreams: Pick<Upstreams, 'to'>;
}

interface Opened {
  /** The answer, as it came. */
  readonly text: string;
  /** null: here. */
  readonly upstream: Upstream | null;
  /** null: it was refused. */
  readonly sandbox: SandboxId | null;
}

const Answer = z.object({
  result: z.object({ id: SandboxId }).optional(),
  error: z.object({ code: z.enum(ERROR_CODES) }).optional(),
});

/** `ask` sends the request there, or to this member, and brings its answer. */
export async function openAnywhere(
  { routing, principal, upstreams }: OpenRoutingOptions,
  params: unknown,
  ask: (upstream: Upstream | null) => Promise<string>,
): Promise<Opened> {
  const asked = askedOf(params, principal);
  // What is wrong with it is said here.
  if (asked === null) return { text: await ask(null), upstream: null, sandbox: null };
  const excluded: string[] = [];
  for (let attempt = 1; ; attempt += 1) {
    const isLast = attempt === MAX_ATTEMPTS;
    const route = excluded.length === 0 ? await routing.route(asked) : await routing.choose(asked.tenant, excluded);
    const upstream = await reach(route, upstreams);
    if (upstream === undefined && route.at === 'member') {
      if (isLast || !route.isReplaceable) throw ownerAway(asked, route);
      excluded.push(route.member.id);
      continue;
    }
    const text = await ask(upstream ?? null);
    const { sandbox, code } = readAnswer(text);
    if (sandbox !== null && route.at === 'member') {
      routing.remember(`${asked.tenant}/${asked.session}`, route.member);
      routing.remember(sandbox, route.member);
    }
    // Another member was quicker, or this one has begun to stop: where to is to be asked again.
    if (isLast || (code !== 'OWNER_UNAVAILABLE' && !(code === 'SHUTTING_DOWN' && isChosen(route))))
      return { text, upstream: upstream ?? null, sandbox };
    if (code === 'SHUTTING_DOWN' && route.at === 'member') excluded.push(route.member.id);
    await sleep(AGAIN_MS * attempt);
  }
}

/** Of a session that nobody had. */
const isChosen = (route: Route): boolean => route.at === 'member' && route.isReplaceable;

/** null: here; undefined: it can't be reached. */
async function reach(route: Route, upstreams: Pick<Upstreams, 'to'>): Promise<Upstream | null | undefined> {
  if (route.at === 'here') return null;
  try {
    return await upstreams.to(route.member);
  } catch (error) {
    if (SandboxError.is(error, 'OWNER_UNAVAILABLE')) return undefined;
    throw error;
  }
}

/** null: it is no request of this tenant's, and none that could be placed. */
function askedOf(params: unknown, principal: Principal): Asked | null {
  const request = OpenRequest.safeParse(params).data;
  if (request === undefined) return null;
  try {
    const tenant = tenantOf(principal, request.tenant);
    const { session, sandbox, workspace } = request;
    return { tenant, session, workspace: workspace?.name ?? session, sandbox, isFresh: request.onOwnerLoss === 'fresh' };
  } catch {
    return null;
  }
}

function readAnswer(text: string): { readonly sandbox: SandboxId | null; readonly code: ErrorCode | null } {
  const answer = Answer.safeParse(JSON.parse(text)).data;
  return { sandbox: answer?.result?.id ?? null, code: answer?.error?.code ?? null };
}
