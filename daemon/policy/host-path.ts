// Paths of requests, as far as every server reads them alike. Nothing is decoded or put right: what two readers could take
// for different paths is no path for a rule. Pure and total.

/** Encoded slashes, backslashes, dots, semicolons, per cent signs and controls: some servers decode them before they look, some after. */
const ENCODED_SYNTAX = /%(?:2[EeFf5]|3[Bb]|5[Cc]|[01][0-9A-Fa-f]|7[Ff])/;
const BAD_ENCODING = /%(?![0-9A-Fa-f]{2})/;
/** Letters that compatibility mapping turns into syntax, such as the full-width slash. */
const SYNTAX = /[/\\.%;]/g;

/** The path without its query; null: it can be read in more than one way. */
export function canonicalPath(target: string): string | null {
  const path = target.split('?')[0] ?? '';
  if (!path.startsWith('/') || path.includes('\\') || path.includes('#')) return null;
  if (BAD_ENCODING.test(path) || ENCODED_SYNTAX.test(path)) return null;
  const segments = path.slice(1).split('/');
  // Only the last may be empty; parameters after a semicolon are cut off by some servers before dots are.
  if (segments.some((segment, index) => segment === '' && index < segments.length - 1)) return null;
  if (segments.some((segment) => /^\.{1,2}$/.test(segment.split(';')[0] ?? ''))) return null;
  return isPlainUnicode(path) ? path : null;
}

/** A prefix that an entry may state: canonical itself, without query. */
export const isPathPrefix = (text: string): boolean => !text.includes('?') && /^\/[!-~]*$/.test(text) && canonicalPath(text) === text;

function isPlainUnicode(path: string): boolean {
  if (!path.includes('%')) return true;
  try {
    const decoded = decodeURIComponent(path);
    return (decoded.match(SYNTAX)?.length ?? 0) === (decoded.normalize('NFKC').match(SYNTAX)?.length ?? 0);
  } catch {
    // Not UTF-8: overlong forms of dots and slashes are among these.
    return false;
  }
}
