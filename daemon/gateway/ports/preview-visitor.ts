// Who may use a preview: the holder of a ticket, of the cookie that a ticket was exchanged for, or of a token.
// Decides on one request's headers and address; what the visitor may see is the pool's business.

import type { IncomingMessage } from 'node:http';
import { SandboxError } from '../../../client/protocol/errors.ts';
import { assertMayCall } from '../../auth/access.ts';
import type { Principal } from '../../auth/principal.ts';
import { bearerOf } from '../bearer.ts';
import { originOf, type PreviewNames, type PreviewTarget } from './preview-address.ts';
import { cookieValues } from './preview-headers.ts';
import { readPass } from './preview-pass.ts';

/** As E2B's clients call it. */
const TRAFFIC_HEADER = 'e2b-traffic-access-token';
export const TICKET_PARAMETER = 'cloister-ticket';

export interface Visitor {
  readonly target: PreviewTarget;
  readonly principal: Principal;
  /** Milliseconds since the epoch; nothing of a visit lasts longer. */
  readonly expiresAt: number;
  readonly via: 'ticket' | 'cookie' | 'token';
  /** What the server is asked for: without the ticket. */
  readonly path: string;
}

export interface VisitorRules {
  readonly key: Uint8Array;
  readonly names: PreviewNames;
  /** As cookies are called here. */
  readonly cookieName: string;
  readonly verify: (token: string) => Promise<Principal>;
  readonly traffic?: TrafficVisitor | undefined;
}

/** Who holds a token for the ports of this sandbox alone; null: it is none. Throws UNAUTHENTICATED if it was revoked. */
export type TrafficVisitor = (token: string, sandbox: PreviewTarget['sandbox']) => Promise<Principal | null>;

/** The visitor of a preview's own host: UNAUTHENTICATED, or FORBIDDEN for a page of another origin that acts with its cookie. */
export async function visitorOf(rules: VisitorRules, request: IncomingMessage, target: PreviewTarget, nowMs: number): Promise<Visitor> {
  const { path, ticket } = takeTicket(request.url ?? '');
  const ticketPass = ticket === null ? null : readPass(rules.key, ticket, 'ticket', target, nowMs);
  if (ticketPass !== null)
    return { target, principal: ticketPass.principal, expiresAt: ticketPass.principal.expiresAt, via: 'ticket', path };

  const cookiePass = cookieValues(request.headers.cookie, rules.cookieName)
    .map((value) => readPass(rules.key, value, 'cookie', target, nowMs))
    .find((pass) => pass !== null);
  // Before a token: with the cookie, Authorization is the server's own affair.
  if (cookiePass) {
    const refusal = refuseForeignPage(request, originOf(rules.names, target));
    if (refusal !== null) throw new SandboxError('FORBIDDEN', `Cannot serve port ${target.port}: ${refusal}`);
    return { target, principal: cookiePass.principal, expiresAt: cookiePass.expiresAt, via: 'cookie', path };
  }
  const token = bearerOf(request.headers.authorization);
  const traffic = request.headers[TRAFFIC_HEADER];
  const sent = typeof traffic === 'string' ? await rules.traffic?.(traffic, target.sandbox) : null;
  if (token === '' && !sent) throw refuseTicket(ticket);
  const principal = sent ?? (await rules.verify(token));
  assertMayCall(principal, 'ports.url');
  return { target, principal, expiresAt: principal.expiresAt, via: 'token', path };
}

/** The visitor of the door: only a ticket says which preview is meant. */
export function visitorAtDoor(rules: VisitorRules, request: IncomingMessage, nowMs: number): Visitor {
  const { path, ticket } = takeTicket(request.url ?? '');
  const pass = ticket === null ? null : readPass(rules.key, ticket, 'ticket', null, nowMs);
  if (pass === null) throw refuseTicket(ticket);
  return { target: pass.target, principal: pass.principal, expiresAt: pass.principal.expiresAt, via: 'ticket', path };
}

/** A page that a person opens by its address. */
export function isOpenedByPerson({ method, headers }: IncomingMessage): boolean {
  if (method !== 'GET') return false;
  const destination = headers['sec-fetch-dest'];
  return destination === undefined ? (headers.accept ?? '').includes('text/html') : destination === 'document';
}

/** What a browser would show or run in the origin it came from. */
export function isForBrowser({ headers }: IncomingMessage): boolean {
  return (
    (headers['sec-fetch-dest'] ?? 'empty') !== 'empty' ||
    headers['sec-fetch-mode'] === 'navigate' ||
    (headers.accept ?? '').includes('text/html')
  );
}

/** The address without its ticket, the rest of the query as it was written. */
function takeTicket(url: string): { readonly path: string; readonly ticket: string | null } {
  const at = url.indexOf('?');
  if (at === -1) return { path: url, ticket: null };
  const parts = url.slice(at + 1).split('&');
  const ours = parts.find((part) => part.startsWith(`${TICKET_PARAMETER}=`));
  if (ours === undefined) return { path: url, ticket: null };
  const rest = parts.filter((part) => !part.startsWith(`${TICKET_PARAMETER}=`)).join('&');
  return { path: rest === '' ? url.slice(0, at) : `${url.slice(0, at)}?${rest}`, ticket: ours.slice(TICKET_PARAMETER.length + 1) };
}

const refuseTicket = (ticket: string | null): SandboxError =>
  ticket === null
    ? new SandboxError('UNAUTHENTICATED', 'Cannot open the preview: no ticket was given', {
        hint: "Open the address that ports.url gives, or send a token as Authorization: Bearer to the preview's own host.",
      })
    : new SandboxError('UNAUTHENTICATED', 'Cannot open the preview: its ticket is expired or not for this port', {
        hint: 'Ask for a new address (ports.url).',
      });

/** A cookie is sent for whoever makes the browser send it; only the preview's own pages, and links to it, may. */
function refuseForeignPage({ headers, method }: IncomingMessage, origin: string): string | null {
  if (headers.origin !== undefined && headers.origin.toLowerCase() !== origin) return 'a page of another origin asked for it';
  const site = headers['sec-fetch-site'];
  if (site === undefined || site === 'same-origin' || site === 'none') return null;
  const isLink = method === 'GET' && headers['sec-fetch-mode'] === 'navigate' && headers['sec-fetch-dest'] === 'document';
  return isLink ? null : 'a page of another origin asked for it';
}
