// Which addresses are not the public internet, and why. Data; address-judge.ts reads it. Extended by operators, never shortened.

export interface AddressBlock {
  readonly cidr: string;
  readonly kind:
    | 'loopback'
    | 'linkLocal'
    | 'private'
    | 'shared'
    | 'metadata'
    | 'multicast'
    | 'reserved'
    | 'documentation'
    | 'embeddedIpv4'
    | 'notGlobal';
}

const block = (kind: AddressBlock['kind'], ...cidrs: string[]): AddressBlock[] => cidrs.map((cidr) => ({ cidr, kind }));

/** Denied whatever an operator allows: credentials of the host live there, or the packet would not go where it says. */
export const NEVER_ALLOWED: readonly AddressBlock[] = [
  // Metadata services: AWS, GCP, Azure and most others by link-local, the rest by number.
  ...block(
    'metadata',
    '169.254.169.254/32',
    '169.254.170.2/32',
    '169.254.169.253/32',
    '168.63.129.16/32',
    '100.100.100.200/32',
    '100.96.0.96/32',
    '192.0.0.192/32',
  ),
  ...block('metadata', 'fd00:ec2::/32', 'fd20:ce::/32'),
  ...block('linkLocal', '169.254.0.0/16', 'fe80::/10'),
  ...block('reserved', '0.0.0.0/8', '::/128'),
  ...block('multicast', '224.0.0.0/4', 'ff00::/8'),
  ...block('reserved', '240.0.0.0/4'),
  // An IPv4 address in IPv6 clothes: mapped, translated (both prefixes), SIIT, 6to4, Teredo.
  ...block('embeddedIpv4', '::ffff:0:0/96', '::ffff:0:0:0/96', '64:ff9b::/96', '64:ff9b:1::/48', '2002::/16', '2001::/32'),
];

/** Denied unless an operator allows the range. */
export const NOT_PUBLIC: readonly AddressBlock[] = [
  ...block('loopback', '127.0.0.0/8', '::1/128'),
  ...block('private', '10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7', 'fec0::/10'),
  ...block('shared', '100.64.0.0/10'),
  ...block('reserved', '192.0.0.0/24', '192.88.99.0/24', '198.18.0.0/15', '2001::/23'),
  ...block('documentation', '192.0.2.0/24', '198.51.100.0/24', '203.0.113.0/24', '2001:db8::/32', '3fff::/20'),
];

/** Of IPv6 only this is given out as global unicast; everything beside it is denied unless an operator allows the range. */
export const GLOBAL_UNICAST = '2000::/3';
