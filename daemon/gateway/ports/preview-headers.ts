// Which headers pass between a browser and a tenant's server, which is hostile to both sides of it. Pure.
// Towards the server nothing of Cloister's goes; from it nothing comes that reaches beyond the preview's own origin.

/** Name, value, name, value: as node:http gives and takes them, so that repeated headers stay as they are. */
export type RawHeaders = readonly string[];

export const PREVIEW_COOKIE = 'cloister-preview';
/** Cookies of Cloister, whoever set them under which prefix. */
const OUR_COOKIE = /^(__Host-|__Secure-)?cloister/i;
const BEARER_SUBPROTOCOL = /^bearer\./i;

const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'expect',
  'http2-settings',
]);

/** Authority, and what a server would believe about where a request comes from. */
const NOT_FOR_THE_SERVER =
  /^(authorization|proxy-.*|forwarded|x-forwarded-.*|x-real-ip|x-client-ip|x-original-.*|x-rewrite-.*|true-client-ip|cf-.*|via|x-cloister-.*|e2b-traffic-.*)$/;

/** What acts on more than one origin or for longer than a page, and what proxies in front of the daemon would obey. */
const NOT_FROM_THE_SERVER =
  /^(service-worker-allowed|clear-site-data|strict-transport-security|alt-svc|public-key-pins.*|expect-ct|nel|report-to|proxy-.*|x-accel-.*|x-sendfile|x-lighttpd-.*|x-reproxy-.*|x-cloister-.*)$/;

/** Request headers for the tenant's server. Host stays: servers compare it with Origin, and it holds nothing secret. */
export function headersForServer(raw: RawHeaders): string[] {
  const named = connectionOptions(raw);
  return pairs(raw).flatMap(([name, value]) => {
    const key = name.toLowerCase();
    if (HOP_BY_HOP.has(key) || named.has(key) || NOT_FOR_THE_SERVER.test(key)) return [];
    if (key === 'cookie') return listHeader(name, value, ';', (cookie) => !OUR_COOKIE.test(cookie));
    if (key === 'sec-websocket-protocol') return listHeader(name, value, ',', (protocol) => !BEARER_SUBPROTOCOL.test(protocol));
    return [name, value];
  });
}

/** Response headers for a visitor of the preview's own host; null: of the door, where nothing may stay or run. */
export function headersForClient(raw: RawHeaders, host: string | null): string[] {
  const named = connectionOptions(raw);
  const kept = pairs(raw).flatMap(([name, value]) => {
    const key = name.toLowerCase();
    if (HOP_BY_HOP.has(key) || named.has(key) || NOT_FROM_THE_SERVER.test(key) || key === 'origin-agent-cluster') return [];
    return key === 'set-cookie' && (host === null || !staysAt(host, value)) ? [] : [name, value];
  });
  // No page can widen its origin by document.domain, and one at the door has none.
  return [...kept, 'Origin-Agent-Cluster', '?1', ...(host === null ? ['Content-Security-Policy', 'sandbox'] : [])];
}

/** Values of the cookies of this name, in order: a page of a sibling host may have added one. */
export function cookieValues(header: string | undefined, name: string): string[] {
  return (header ?? '').split(';').flatMap((cookie) => {
    const [key = '', ...value] = cookie.split('=');
    return key.trim() === name ? [value.join('=').trim()] : [];
  });
}

/** A cookie for this host alone that is none of ours. */
function staysAt(host: string, setCookie: string): boolean {
  const [cookie = '', ...attributes] = setCookie.split(';');
  // A cookie without a name is sent as its value alone, which could spell one of ours.
  if (OUR_COOKIE.test(cookie.trim()) || cookie.indexOf('=') < 1 || cookie.trim().startsWith('=')) return false;
  return attributes.every((attribute) => {
    const [key = '', value = ''] = attribute.split('=');
    const domain = value.trim().toLowerCase().replace(/^\./, '');
    return key.trim().toLowerCase() !== 'domain' || domain === '' || domain === host;
  });
}

function pairs(raw: RawHeaders): [string, string][] {
  return Array.from({ length: raw.length / 2 }, (_, n) => [raw[2 * n] ?? '', raw[2 * n + 1] ?? '']);
}

/** Headers that `Connection` names are for this hop only. */
function connectionOptions(raw: RawHeaders): ReadonlySet<string> {
  return new Set(
    pairs(raw).flatMap(([name, value]) =>
      name.toLowerCase() === 'connection'
        ? value
            .toLowerCase()
            .split(',')
            .map((option) => option.trim())
        : [],
    ),
  );
}

function listHeader(name: string, value: string, separator: string, keep: (item: string) => boolean): string[] {
  const items = value
    .split(separator)
    .map((item) => item.trim())
    .filter((item) => item !== '' && keep(item));
  return items.length === 0 ? [] : [name, items.join(`${separator} `)];
}
