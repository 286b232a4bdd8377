// The files of /etc that every sandbox gets, so that git, ssh, npm and python find a user, a home and a host name,
// and so that nothing of the host's resolver or names shows. Pure text; the run directory's maker writes them.

/** File name in the run directory's `etc/` to its text. */
export function sandboxEtcFiles({ uid, gid }: { readonly uid: number; readonly gid: number }): Record<string, string> {
  return {
    passwd: lines(
      'root:x:0:0:root:/root:/usr/sbin/nologin',
      `sandbox:x:${uid}:${gid}:sandbox:/tmp/home:/bin/sh`,
      'nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin',
    ),
    group: lines('root:x:0:', 'tty:x:5:', `sandbox:x:${gid}:`, 'nogroup:x:65534:'),
    hosts: lines('127.0.0.1 localhost sandbox', '::1 localhost ip6-localhost ip6-loopback'),
    hostname: lines('sandbox'),
    // No resolver listens there: names are resolved by the egress proxy, and a lookup fails at once instead of timing out.
    'resolv.conf': lines('nameserver 127.0.0.1', 'options timeout:1 attempts:1'),
  };
}

const lines = (...each: readonly string[]): string => `${each.join('\n')}\n`;
