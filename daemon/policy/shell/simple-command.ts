// A simple command's words -> what rules and records see of it. Pure.

import { isComputed, shownText } from './markers.ts';
import type { SimpleCommand } from './line.ts';

const SYSTEM_PATH = /^\/(usr\/)?(local\/)?s?bin\/[^/]+$/;
const PLAIN = /^[^\s'"\\]+$/;
const MAX_SHOWN = 64 * 1024;

export function simpleCommand(
  words: readonly string[],
  facts: Pick<SimpleCommand, 'cwd' | 'isTampered' | 'isTransparent' | 'isFed'>,
): SimpleCommand {
  const first = words[0] ?? '';
  let text = '';
  let computed = false;
  for (const word of words) {
    computed ||= isComputed(word);
    if (text.length < MAX_SHOWN) text += `${text === '' ? '' : ' '}${PLAIN.test(word) ? word : `'${word}'`}`;
  }
  // What is cut can't be matched whole: it is as good as computed.
  if (text.length >= MAX_SHOWN) computed = true;
  return {
    words,
    text,
    program: first.slice(first.lastIndexOf('/') + 1),
    isNamed: !first.includes('/') || SYSTEM_PATH.test(first),
    isComputed: computed,
    ...facts,
  };
}

export const shownCommand = ({ text }: SimpleCommand): string => {
  const shown = shownText(text);
  return shown.length > 200 ? `${shown.slice(0, 199)}…` : shown;
};
