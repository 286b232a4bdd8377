// Characters that stand in a word's text for what only the run decides. Owns them; input that contains them loses them.

/** Any text, also none: computed at run time. */
export const UNKNOWN = '\uE000';
/** Any run of characters of a file name. */
export const STAR = '\uE001';
/** One character of a file name. */
export const ANY = '\uE002';
/** An end of a word: the text of an unquoted expansion is split here. */
export const BREAK = '\uE003';
/** The path of a process substitution. */
export const PIPE_PATH = '\uE004';

const MARKERS = /[\uE000-\uE004]/g;
const HAS_MARKER = /[\uE000-\uE004]/;

export const withoutMarkers = (text: string): string => (HAS_MARKER.test(text) ? text.replace(MARKERS, '\uFFFD') : text);

/** Its text is settled before it runs, but for file names. */
export const isComputed = (text: string): boolean => text.includes(UNKNOWN) || text.includes(PIPE_PATH);
export const hasGlob = (text: string): boolean => text.includes(STAR) || text.includes(ANY);

/** For people: `?` for what is computed, globs as they were meant. */
export const shownText = (text: string): string =>
  HAS_MARKER.test(text)
    ? text.replace(MARKERS, (marker) => (marker === STAR ? '*' : marker === ANY ? '?' : marker === BREAK ? ' ' : '<computed>'))
    : text;
