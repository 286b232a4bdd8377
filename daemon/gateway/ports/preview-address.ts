// What a preview is called: every port of every sandbox has a host name, and so an origin, of its own. Pure; owns the
// names and which Host headers are exactly one of them.
//
// `3000-abcdefghijklmnopqrst.localhost`: the port, and the sandbox id without its `sb_` (an underscore is no host name).
// Browsers and curl take *.localhost for loopback, and no page can set a cookie for all of it. Other programs can't
// resolve it, so without a domain of the operator's the listener itself is a door besides: it serves programs that bring
// a ticket and sends browsers on to the preview's own host, so that no page ever lives in an origin shared by previews.

import { z } from 'zod';
import { SandboxId } from '../../../client/protocol/names.ts';
import { Port } from '../../../client/protocol/ports.ts';

const LOCAL_DOMAIN = 'localhost';
const WILDCARD_ADDRESSES: ReadonlySet<string> = new Set(['0.0.0.0', '[::]']);
const SANDBOX_PREFIX = 'sb_';
const DEFAULT_PORTS: Readonly<Record<PreviewScheme, string>> = { http: '80', https: '443' };
const LABEL = /^(\d{1,5})-([a-z2-7]{20})$/;

export type PreviewScheme = 'http' | 'https';

export const PreviewTarget = z.strictObject({ sandbox: SandboxId, port: Port });
export type PreviewTarget = z.infer<typeof PreviewTarget>;

export interface PreviewNames {
  readonly scheme: PreviewScheme;
  /** The name whose subdomains reach the listener. */
  readonly domain: string;
  /** As browsers see it. */
  readonly port: string;
  /** HOST:PORT values of the door, the first one for addresses; empty where the domain is the operator's. */
  readonly doors: readonly string[];
}

/** `domain` may carry the port that browsers use where that is not the listener's; behind https it is 443 unless said. */
export function previewNames(
  scheme: PreviewScheme,
  domain: string,
  listener: { readonly host: string; readonly port: number },
): PreviewNames {
  const [name = '', ownPort] = domain.split(':');
  const port = ownPort ?? (scheme === 'https' ? DEFAULT_PORTS.https : String(listener.port));
  const local = WILDCARD_ADDRESSES.has(listener.host) ? '127.0.0.1' : listener.host;
  return {
    scheme,
    domain: name,
    port,
    doors: name === LOCAL_DOMAIN ? [`${local}:${listener.port}`, `${LOCAL_DOMAIN}:${listener.port}`] : [],
  };
}

export const hostOf = (names: PreviewNames, target: PreviewTarget): string => `${labelOf(target)}.${names.domain}`;

/** What every host lies under, with the port where browsers need it. */
export const authorityOf = ({ scheme, domain, port }: PreviewNames): string =>
  port === DEFAULT_PORTS[scheme] ? domain : `${domain}:${port}`;

export const originOf = (names: PreviewNames, target: PreviewTarget): string =>
  `${names.scheme}://${labelOf(target)}.${authorityOf(names)}`;

const labelOf = ({ port, sandbox }: PreviewTarget): string => `${port}-${sandbox.slice(SANDBOX_PREFIX.length)}`;

/** The target a Host header names, or null if it is not exactly the host of a preview here. */
export function targetOf(names: PreviewNames, host: string): PreviewTarget | null {
  const [name = '', port = DEFAULT_PORTS[names.scheme], ...rest] = host.toLowerCase().split(':');
  if (rest.length > 0 || port !== names.port || !name.endsWith(`.${names.domain}`)) return null;
  const [, number, id] = LABEL.exec(name.slice(0, -names.domain.length - 1)) ?? [];
  const target = PreviewTarget.safeParse({ sandbox: `${SANDBOX_PREFIX}${id}`, port: Number(number) });
  // `03000-` would be a second name, and so a second origin, of the same port.
  return target.success && String(target.data.port) === number ? target.data : null;
}
