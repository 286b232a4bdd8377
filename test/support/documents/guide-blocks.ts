// The fenced blocks of a guide page, by what their info string says of them: run, written to a file, compared, or not run and why.

import { existsSync } from 'node:fs';

export type GuideBlock =
  | { readonly kind: 'run'; readonly language: 'sh' | 'ts'; readonly text: string; readonly line: number; readonly exitCode: number }
  | { readonly kind: 'output'; readonly text: string; readonly line: number }
  | { readonly kind: 'file'; readonly name: string; readonly text: string; readonly line: number }
  | { readonly kind: 'notRun'; readonly reason: string; readonly text: string; readonly line: number };

/** Why a block may be left unrun; `run by FILE` names the test that runs what it shows. */
const REASONS = /^(needs systemd|needs a cluster|needs a registry|run by (test\/[\w/.-]+\.test\.ts))$/;
const FENCE = /^```(.*)$/;

/** Throws at the first block whose info string says nothing: a block is run, or it says why not. */
export function guideBlocks(page: string, text: string): GuideBlock[] {
  const blocks: GuideBlock[] = [];
  const lines = text.split('\n');
  for (let at = 0; at < lines.length; at += 1) {
    const info = FENCE.exec(lines[at] ?? '')?.[1];
    if (info === undefined) continue;
    const end = lines.findIndex((line, index) => index > at && line === '```');
    if (end === -1) throw new Error(`${page}:${at + 1}: the block has no end`);
    blocks.push(blockOf(info, lines.slice(at + 1, end).join('\n'), { page, line: at + 1 }));
    at = end;
  }
  return blocks;
}

function blockOf(info: string, text: string, { page, line }: { readonly page: string; readonly line: number }): GuideBlock {
  const run = /^(sh|ts) run(?: exit=(\d+))?$/.exec(info);
  if (run !== null) return { kind: 'run', language: run[1] === 'ts' ? 'ts' : 'sh', text, line, exitCode: Number(run[2] ?? 0) };
  if (info === 'output') return { kind: 'output', text, line };
  const file = /^\w+ file=([\w.-]+(?:\/[\w.-]+)?)$/.exec(info);
  if (file !== null) return { kind: 'file', name: file[1] ?? '', text, line };
  const reason = /^\w+ not-run: (.+)$/.exec(info)?.[1];
  const [isKnown, , test] = REASONS.exec(reason ?? '') ?? [];
  if (reason !== undefined && isKnown !== undefined && (test === undefined || existsSync(test)))
    return { kind: 'notRun', reason, text, line };
  throw new Error(`${page}:${line}: \`\`\`${info} does not say how the block is run, or why it is not`);
}

/** `...` stands for anything within a line, alone on a line for any number of lines. White space at ends of lines says nothing. */
export function outputPattern(expected: string): RegExp {
  const lines = expected.trimEnd().split('\n');
  const parts = lines.map((line) =>
    line.trim() === '...' ? '(?:.*\\n)*?' : `${line.trimEnd().split('...').map(escaped).join('.*')}[ \\t]*\\n`,
  );
  return new RegExp(`^${parts.join('')}$`);
}

const escaped = (text: string): string => text.replaceAll(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
