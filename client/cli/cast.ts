// Recordings as asciicast v2, which asciinema and its web player show: a header, then one line for each piece of output. Pure.

const COLUMNS = 80;
const ROWS = 24;

export interface CastPiece {
  /** Seconds since the beginning. */
  readonly at: number;
  readonly text: string;
}

export function castHeader(options: { readonly title: string; readonly startedAtMs: number }): string {
  const { title, startedAtMs } = options;
  return `${JSON.stringify({ version: 2, width: COLUMNS, height: ROWS, timestamp: Math.floor(startedAtMs / 1000), title })}\n`;
}

export const castLine = ({ at, text }: CastPiece): string => `${JSON.stringify([Number(Math.max(0, at).toFixed(6)), 'o', text])}\n`;

/** Programs that wrote to a pipe end lines with LF alone; a player is a terminal. */
export const asTerminal = (text: string): string => text.replaceAll(/\r?\n/g, '\r\n');
