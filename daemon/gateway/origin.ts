// Which Host and Origin a request may carry: exact values, so that no foreign page and no rebound name gets in. Pure.

export interface OriginRule {
  /** HOST:PORT values that name this listener. */
  readonly hosts: ReadonlySet<string>;
  /** Origins of pages that may connect. */
  readonly origins: ReadonlySet<string>;
}

/** The names a listener answers to. A wildcard address is reachable under any local name, so only loopback names are implied. */
export function originRule(host: string, port: number, extraOrigins: readonly string[]): OriginRule {
  const names = [host.toLowerCase(), 'localhost', '127.0.0.1', '[::1]'];
  // Without a port where it is the one that browsers leave out.
  const own = names.flatMap((name) => (port === 80 ? [name, `${name}:80`] : [`${name}:${port}`]));
  const extra = extraOrigins.map((origin) => new URL(origin));
  return {
    hosts: new Set([...own, ...extra.map((url) => url.host)]),
    origins: new Set([...own.map((name) => `http://${name}`), ...extra.map((url) => url.origin)]),
  };
}

/** null: acceptable; otherwise why not. `isLocal`: it came over a unix socket. Requests without Origin are not from a page. */
export function refuseOrigin(rule: OriginRule, host: string | undefined, origin: string | undefined, isLocal = false): string | null {
  if (!isLocal && (host === undefined || !rule.hosts.has(host.toLowerCase()))) return 'the Host header does not name this daemon';
  if (origin !== undefined && !rule.origins.has(origin.toLowerCase())) return 'the Origin header is not an allowed one';
  return null;
}
