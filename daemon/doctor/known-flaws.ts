// Versions with known flaws that concern sandboxes. Hints: a distribution may have repaired a version without renaming it.

export interface Version {
  readonly parts: readonly [number, number, number];
  /** Number of the release candidate; null: a release. */
  readonly candidate: number | null;
}

/** `1.1.5+ds1`, `v1.3.0-rc.2`, `20.10.24+dfsg1`; null: it is no version. */
export function parseVersion(text: string): Version | null {
  const match = /^v?(\d{1,5})\.(\d{1,5})(?:\.(\d{1,5}))?(?:-rc\.?(\d{1,3}))?/.exec(text);
  if (match === null) return null;
  return {
    parts: [Number(match[1]), Number(match[2]), Number(match[3] ?? 0)],
    candidate: match[4] === undefined ? null : Number(match[4]),
  };
}

export function isBefore(version: Version, other: Version): boolean {
  for (const [index, part] of version.parts.entries()) {
    const against = other.parts[index] ?? 0;
    if (part !== against) return part < against;
  }
  return (version.candidate ?? Infinity) < (other.candidate ?? Infinity);
}

interface Flaw {
  readonly id: string;
  readonly what: string;
  /** First repaired version of each line, lowest first; versions above the last are repaired. */
  readonly repairedIn: readonly string[];
}

const RUNC: readonly Flaw[] = [
  { id: 'CVE-2019-5736', what: 'a container overwrites the runc binary', repairedIn: ['1.0.0-rc.7'] },
  { id: 'CVE-2024-21626', what: 'a leaked descriptor leads to the host', repairedIn: ['1.1.12'] },
  {
    id: 'CVE-2025-31133, CVE-2025-52565, CVE-2025-52881',
    what: 'mounts are redirected while a container starts',
    repairedIn: ['1.2.8', '1.3.3', '1.4.0-rc.3'],
  },
];

const ENGINE: readonly Flaw[] = [
  {
    id: 'CVE-2024-29018',
    what: 'internal networks leak DNS; sandboxes have no network of the engine',
    repairedIn: ['23.0.11', '25.0.5', '26.0.0'],
  },
];

export const runcFlaws = (version: Version): readonly Flaw[] => RUNC.filter((flaw) => has(flaw, version));
export const engineFlaws = (version: Version): readonly Flaw[] => ENGINE.filter((flaw) => has(flaw, version));

/** Repaired in its own line, or younger than every line that had to be. */
function has({ repairedIn }: Flaw, version: Version): boolean {
  const repairs = repairedIn.map(parseVersion).filter((repair) => repair !== null);
  const own = repairs.find(({ parts }) => parts[0] === version.parts[0] && parts[1] === version.parts[1]);
  if (own !== undefined) return isBefore(version, own);
  return repairs.some((repair) => isBefore(version, repair));
}
