// Parsers of the kernel's own text under /proc: status, mountinfo, limits, net. Pure; a field that is not there is
// absent and never guessed.

/** `Name:\tvalue` lines of /proc/PID/status. */
export type ProcStatus = Readonly<Record<string, string>>;

export function parseStatus(text: string): ProcStatus {
  const pairs = text.split('\n').flatMap((line): [string, string][] => {
    const colon = line.indexOf(':');
    return colon < 1 ? [] : [[line.slice(0, colon), line.slice(colon + 1).trim()]];
  });
  return Object.fromEntries(pairs);
}

export interface ContainerMountEntry {
  readonly target: string;
  /** major:minor of the file system. */
  readonly device: string;
  /** Path inside the file system that is shown here. */
  readonly root: string;
  readonly fsType: string;
  /** Per-mount flags: rw or ro, nosuid, nodev, noexec, relatime ... */
  readonly flags: readonly string[];
  /** Propagation tags: `shared:N`, `master:N`. */
  readonly propagation: readonly string[];
  /** Options of the file system itself, such as `size=65536k`. */
  readonly superOptions: readonly string[];
}

export function parseMounts(text: string): ContainerMountEntry[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const fields = line.split(' ');
      const separator = fields.indexOf('-', 6);
      const [, , device = '', root = '', target = '', flags = ''] = fields;
      const [fsType = '', , superOptions = ''] = separator < 0 ? [] : fields.slice(separator + 1);
      return {
        target: unescapeOctal(target),
        device,
        root: unescapeOctal(root),
        fsType,
        flags: flags.split(','),
        propagation: separator < 0 ? [] : fields.slice(6, separator),
        superOptions: superOptions.split(','),
      };
    });
}

/** The kernel writes space, tab, newline and backslash in paths as \ooo. */
const unescapeOctal = (text: string): string =>
  text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));

const SUFFIX_BYTES: Readonly<Record<string, number>> = { '': 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 };

/** Bytes of a `size=` option; undefined where there is none, so no limit is known. */
export function sizeOption(options: readonly string[]): number | undefined {
  const [, digits, suffix = ''] = options.map((option) => /^size=(\d+)([kmg]?)$/.exec(option)).find((match) => match !== null) ?? [];
  return digits === undefined ? undefined : Number(digits) * (SUFFIX_BYTES[suffix] ?? Number.NaN);
}

export interface ResourceLimit {
  /** Infinity where unlimited. */
  readonly soft: number;
  readonly hard: number;
}

/** /proc/PID/limits by the kernel's own names, such as `Max open files`. */
export function parseLimits(text: string): Readonly<Record<string, ResourceLimit>> {
  const value = (word = ''): number => (word === 'unlimited' ? Number.POSITIVE_INFINITY : Number(word));
  const rows = text.split('\n').flatMap((line): [string, ResourceLimit][] => {
    const [, name, soft, hard] = /^(Max [a-z ]+?) {2,}(\S+) +(\S+)/.exec(line) ?? [];
    return name === undefined ? [] : [[name, { soft: value(soft), hard: value(hard) }]];
  });
  return Object.fromEntries(rows);
}

export interface InterfaceCounters {
  readonly name: string;
  /** Bytes received and sent. */
  readonly bytes: number;
}

/** /proc/PID/net/dev. */
export function parseInterfaces(text: string): InterfaceCounters[] {
  return text
    .split('\n')
    .slice(2)
    .filter((line) => line.trim() !== '')
    .map((line) => {
      const [name = '', counters = ''] = line.split(/:(.*)/s);
      const numbers = counters.trim().split(/\s+/).map(Number);
      return { name: name.trim(), bytes: (numbers[0] ?? Number.NaN) + (numbers[8] ?? Number.NaN) };
    });
}

export interface Route {
  readonly device: string;
  /** As the kernel writes it: hexadecimal destination. */
  readonly destination: string;
}

/** /proc/PID/net/route. */
export const parseIpv4Routes = (text: string): Route[] =>
  lines(text)
    .slice(1)
    .map((fields) => ({ device: fields[0] ?? '', destination: fields[1] ?? '' }));

/** /proc/PID/net/ipv6_route; absent on a kernel without IPv6. */
export const parseIpv6Routes = (text: string): Route[] =>
  lines(text).map((fields) => ({ device: fields.at(-1) ?? '', destination: `${fields[0] ?? ''}/${fields[1] ?? ''}` }));

/** Device names in /proc/PID/net/if_inet6, one for each address. */
export const parseIpv6AddressDevices = (text: string): string[] => lines(text).map((fields) => fields.at(-1) ?? '');

const lines = (text: string): string[][] =>
  text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => line.trim().split(/\s+/));
