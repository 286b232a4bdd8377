// Names that never lead out of a sandbox, whatever they resolve to. Data and its lookup.

/** Special-use and internal domains: the name itself and everything below. */
const BLOCKED_DOMAINS: readonly string[] = [
  'localhost',
  'local',
  'localdomain',
  'internal',
  'intranet',
  'private',
  'lan',
  'home',
  'corp',
  'workgroup',
  'arpa',
  'onion',
  'i2p',
  'alt',
  'invalid',
  'svc',
  'cluster',
  'consul',
  'docker',
  'kubernetes',
  'kube',
  // Metadata services that have names under public domains.
  'metadata.goog',
  'metadata.tencentyun.com',
  'metadata.packet.net',
  'metadata.platformequinix.com',
  'metadata.cloud.ibm.com',
  'instance-data.com',
  // Public names for loopback, kept by their owners for tests.
  'localtest.me',
  'lvh.me',
  'localho.st',
  'lacolhost.com',
  'vcap.me',
];
const BLOCKED: ReadonlySet<string> = new Set(BLOCKED_DOMAINS);

/** The domain that blocks a name, or null. The name is canonical. */
export function blockedDomain(name: string): string | null {
  for (let at = 0; ; at = name.indexOf('.', at) + 1) {
    const domain = name.slice(at);
    if (BLOCKED.has(domain)) return domain;
    if (!domain.includes('.')) return null;
  }
}
