// Which of the host's package sources may serve the base image: Debian's own, for the release the image is made of.
// Pure decisions over the text of the host's files.

export interface AptSource {
  readonly uris: readonly string[];
  readonly suites: readonly string[];
  readonly components: readonly string[];
  readonly signedBy: string;
}

const RELEASE = 'bookworm';
const POCKETS = ['', '-updates', '-security'];

function words(value: string | undefined): readonly string[] {
  return (value ?? '').split(/\s+/).filter((word) => word !== '');
}

/** Stanzas of a `.sources` file. */
export function parseDeb822(text: string): readonly AptSource[] {
  const stanzas = text
    .split('\n')
    .filter((line) => !line.startsWith('#'))
    .join('\n')
    .split(/\n\s*\n/);
  return stanzas.flatMap((stanza) => {
    const fields = new Map<string, string>();
    for (const match of stanza.matchAll(/^([A-Za-z-]+):[ \t]*(.*(?:\n[ \t]+.*)*)/gm))
      fields.set((match[1] ?? '').toLowerCase(), match[2] ?? '');
    const isOff = /^(no|false|0|off)$/i.test(fields.get('enabled')?.trim() ?? '');
    if (isOff || !words(fields.get('types')).includes('deb')) return [];
    return [
      {
        uris: words(fields.get('uris')),
        suites: words(fields.get('suites')),
        components: words(fields.get('components')),
        signedBy: fields.get('signed-by')?.trim() ?? '',
      },
    ];
  });
}

/** Lines of a `sources.list` file. */
export function parseOneLine(text: string): readonly AptSource[] {
  return text.split('\n').flatMap((line) => {
    const match = /^deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)\s+([^#]+)/.exec(line.trim());
    if (match === null) return [];
    const [, options = '', uri = '', suite = '', components = ''] = match;
    return [{ uris: [uri], suites: [suite], components: words(components), signedBy: /signed-by=(\S+)/.exec(options)?.[1] ?? '' }];
  });
}

/**
 * The lines to hand to mmdebstrap. A host of another Debian release lends its mirrors, with the release exchanged;
 * sources of others (other keys, other suites) never reach the image. None: mmdebstrap uses Debian's default mirror.
 */
export function debianSourceLines(sources: readonly AptSource[], hostCodename: string): readonly string[] {
  const lines = new Set<string>();
  for (const source of sources) {
    if (!source.components.includes('main')) continue;
    if (source.signedBy !== '' && !source.signedBy.includes('debian-archive')) continue;
    for (const suite of source.suites) {
      const pocket = POCKETS.find((candidate) => suite === `${hostCodename}${candidate}` || suite === `${RELEASE}${candidate}`);
      if (pocket === undefined) continue;
      for (const uri of source.uris) lines.add(`deb ${uri} ${RELEASE}${pocket} main`);
    }
  }
  return [...lines].some((line) => line.endsWith(` ${RELEASE} main`)) ? [...lines] : [];
}
