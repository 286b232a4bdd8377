// Text tables for people; every cell is escaped, and what does not fit the terminal is cut where it hurts least. Pure.

import { escapeText } from './escape-text.ts';

const GAP = 2;
/** A column is cut no narrower. */
const MIN_WIDTH = 6;
const BOLD = '\u001b[1m';
const NORMAL = '\u001b[0m';

export interface TableOptions {
  /** Columns of the terminal; without it lines are as long as they are. */
  readonly width?: number | undefined;
  readonly isBold?: boolean | undefined;
}

/** How a table looks on this output: fitted and with a bold head on a terminal, else plain. */
export function tableOptionsOf(out: { readonly isTTY?: boolean; readonly columns?: number; hasColors?(): boolean }): TableOptions {
  return out.isTTY === true ? { width: out.columns, isBold: out.hasColors?.() === true } : {};
}

export function formatTable(header: readonly string[], rows: readonly (readonly string[])[], options: TableOptions = {}): string {
  const cells = [header, ...rows].map((row) => row.map(escapeText));
  const widths = fitted(
    header.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0))),
    options.width,
  );
  const lines = cells.map((row) =>
    row
      .map((cell, column) => cut(cell, widths[column] ?? 0).padEnd(widths[column] ?? 0))
      .join(' '.repeat(GAP))
      .trimEnd(),
  );
  if (options.isBold === true && lines[0] !== undefined) lines[0] = `${BOLD}${lines[0]}${NORMAL}`;
  return lines.map((line) => `${line}\n`).join('');
}

/** The widest column gives way, again and again, until all of it fits or nothing is left to give. */
function fitted(widths: readonly number[], width: number | undefined): readonly number[] {
  if (width === undefined) return widths;
  const left = [...widths];
  const total = (): number => left.reduce((sum, each) => sum + each, 0) + GAP * (left.length - 1);
  while (total() > width) {
    const widest = Math.max(...left);
    if (widest <= MIN_WIDTH) break;
    const next = Math.max(MIN_WIDTH, ...left.filter((each) => each < widest));
    const share = Math.ceil((total() - width) / left.filter((each) => each === widest).length);
    for (const [column, each] of left.entries()) if (each === widest) left[column] = Math.max(next, widest - share, MIN_WIDTH);
    if (next === widest) break;
  }
  return left;
}

const cut = (cell: string, width: number): string => (cell.length <= width ? cell : `${cell.slice(0, Math.max(0, width - 1))}…`);
