// A recording as what a screen is to show when. Pure.

import { bytes, shown } from './format.ts';

/** One line of what the daemon answers. */
export type RecordedEvent =
  | { readonly t: 'start'; readonly at: number; readonly exec: string; readonly command: string }
  | { readonly t: 'out'; readonly at: number; readonly exec: string; readonly s: 'stdout' | 'stderr'; readonly d: string }
  | { readonly t: 'end'; readonly at: number; readonly exec: string; readonly outcome: string; readonly exitCode: number | null }
  | { readonly t: 'dropped'; readonly at: number; readonly bytes: number }
  | { readonly t: 'close'; readonly at: number };

export interface Frame {
  /** Milliseconds since the beginning, silence shortened. */
  readonly atMs: number;
  readonly data: Uint8Array | string;
}

/** Nobody waits longer for the next thing to happen. */
const MAX_SILENCE_MS = 2000;
const COMMAND_CHARS = 400;
/** Whatever the command before has left the screen in: its other page, colours, modes. */
const SOFT_RESET = '\u001b[?1049l\u001b[!p\u001b[0m';
const NOTE = (text: string): string => `${SOFT_RESET}\u001b[1m${text}\u001b[0m\r\n`;

export class Frames {
  readonly list: Frame[] = [];
  /** Of output. */
  bytes = 0;
  #lastAt: number | null = null;
  #nowMs = 0;

  add(event: RecordedEvent): void {
    const silenceMs = this.#lastAt === null ? 0 : event.at - this.#lastAt;
    // A clock that was set back does not turn the recording back.
    this.#nowMs += Math.min(MAX_SILENCE_MS, Math.max(0, silenceMs));
    this.#lastAt = event.at;
    const data = dataOf(event);
    if (data === null) return;
    this.bytes += data.length;
    this.list.push({ atMs: this.#nowMs, data });
  }

  get lengthMs(): number {
    return this.#nowMs;
  }

  /** How many of them are due at this time. */
  countAt(ms: number): number {
    let [from, to] = [0, this.list.length];
    while (from < to) {
      const middle = (from + to) >> 1;
      if ((this.list[middle]?.atMs ?? 0) <= ms) from = middle + 1;
      else to = middle;
    }
    return from;
  }
}

function dataOf(event: RecordedEvent): Frame['data'] | null {
  switch (event.t) {
    case 'start':
      return NOTE(`$ ${shown(event.command, { max: COMMAND_CHARS })}`);
    case 'out':
      return Uint8Array.from(atob(event.d), (character) => character.charCodeAt(0));
    case 'end':
      return NOTE(`${shown(event.outcome)}${event.exitCode === null ? '' : ` ${event.exitCode}`}`);
    case 'dropped':
      return NOTE(`${bytes(event.bytes)} were not recorded`);
    case 'close':
      return null;
  }
}
