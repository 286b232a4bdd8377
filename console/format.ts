// How figures, times and foreign text are shown. Pure. What a tenant chose is shown as it is spelled: characters that a screen
// obeys instead of showing (controls, directions, invisible ones) become visible escapes; markup is text to Preact anyway.

import type { Command } from '../client/protocol/exec.ts';

/** Line breaks and tabs stay where `isBlock`. */
export function shown(text: string, options: { readonly max?: number; readonly isBlock?: boolean } = {}): string {
  const { max = 500, isBlock = false } = options;
  const cut = text.length > max ? `${text.slice(0, max)}…` : text;
  return cut.replaceAll(/[\p{Cc}\p{Cf}\p{Co}\p{Zl}\p{Zp}]/gu, (character) => {
    if (isBlock && (character === '\n' || character === '\t')) return character;
    if (character === '\n') return '⏎';
    const code = character.codePointAt(0) ?? 0;
    return code <= 0xff ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`;
  });
}

export function commandText(command: Command, max = 300): string {
  if (typeof command === 'string') return shown(command, { max });
  return shown(command.map((word) => (/^[\w./:=@%+,-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`)).join(' '), { max });
}

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

export function bytes(count: number | null | undefined): string {
  if (count === null || count === undefined) return '–';
  let value = count;
  let unit = 0;
  while (Math.abs(value) >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${UNITS[unit] ?? ''}`;
}

/** Processors in use: `0.42`. */
export function processors(count: number | null | undefined): string {
  return count === null || count === undefined ? '–' : count.toFixed(2);
}

export function percent(share: number | null | undefined): string {
  return share === null || share === undefined || !Number.isFinite(share) ? '–' : `${(share * 100).toFixed(share < 0.1 ? 1 : 0)} %`;
}

export function count(value: number | null | undefined): string {
  return value === null || value === undefined ? '–' : value.toLocaleString('en');
}

/** The two largest units: `2 h 5 min`. */
export function duration(ms: number): string {
  if (ms < 1000) return `${Math.max(0, Math.round(ms))} ms`;
  const seconds = ms / 1000;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  const parts: readonly (readonly [number, string])[] = [
    [86_400, 'd'],
    [3600, 'h'],
    [60, 'min'],
    [1, 's'],
  ];
  let left = Math.round(seconds);
  const words: string[] = [];
  for (const [size, name] of parts) {
    const n = Math.floor(left / size);
    left -= n * size;
    if (n > 0) words.push(`${n} ${name}`);
    if (words.length === 2 || (words.length === 1 && n === 0)) break;
  }
  return words.join(' ');
}

/** The largest unit alone: `2 h`, which stays so for a while. */
export function roughly(ms: number): string {
  const text = duration(ms < 10_000 ? Math.round(ms / 1000) * 1000 : ms);
  return text
    .split(' ')
    .slice(0, 2)
    .join(' ')
    .replace(/^(\d+)\.\d /, '$1 ');
}

export const since = (at: string, nowMs: number): string => duration(nowMs - Date.parse(at));

/** Of today the time alone; in the reader's own zone, which the title names in UTC. */
export function clockTime(at: string, nowMs: number): string {
  const date = new Date(at);
  const time = date.toLocaleTimeString('en-GB');
  return nowMs - date.getTime() < 18 * 3_600_000 ? time : `${date.toISOString().slice(0, 10)} ${time}`;
}

/** One page of a hash, a signature: its beginning is enough to compare. */
export const short = (text: string, length = 12): string => (text.length > length ? `${text.slice(0, length)}…` : text);
