// The tools about many files: glob, grep, list.

import type { McpServer } from '@modelcontextprotocol/server';
import { z } from 'zod';
import { addTool, fitting, LOOKS, type ToolHost } from './tool.ts';

/** Of the entries of one answer, as JSON. */
const MAX_ANSWER_BYTES = 256 * 1024;
const MAX_ENTRIES = 10_000;

const Path = z.string().min(1).max(4096).default('.').describe('where to look, relative to /workspace or absolute below it');
const Glob = z.string().min(1).max(1000);
const limited = (count: number) => z.int().min(1).max(MAX_ENTRIES).default(count).describe('at most so many');

export function addSearchTools(server: McpServer, host: ToolHost): void {
  addTool(server, host, {
    name: 'glob',
    title: 'Find files',
    description: 'Finds files by patterns like src/**/*.{ts,tsx}; a pattern that begins with ! leaves files out.',
    input: z.strictObject({
      pattern: z.union([Glob, z.array(Glob).min(1).max(50)]),
      path: Path,
      limit: limited(1000),
      gitignore: z.boolean().default(true).describe('pass over what .gitignore files name'),
    }),
    output: z.object({ paths: z.array(z.string()).describe('from /workspace'), truncated: z.boolean() }),
    hints: LOOKS,
    run: async ({ pattern, path, limit, gitignore }, { sandbox, signal }) => {
      const { paths, truncated } = await sandbox.files.glob(pattern, { path, limit, gitignore, signal });
      const told = fitting(paths, MAX_ANSWER_BYTES);
      const isCut = truncated || told.length < paths.length;
      return { text: lines(told, isCut, 'no file matches'), structured: { paths: [...told], truncated: isCut } };
    },
  });

  addTool(server, host, {
    name: 'grep',
    title: 'Search in files',
    description: 'Finds lines that match a regular expression (without back-references and look-around), or contain a text.',
    input: z.strictObject({
      pattern: z.string().min(1).max(4096),
      path: Path,
      glob: z
        .union([Glob, z.array(Glob).min(1).max(50)])
        .optional()
        .describe('files to search, like *.ts'),
      literal: z.boolean().default(false).describe('the pattern is text'),
      ignore_case: z.boolean().default(false),
      before: z.int().min(0).max(20).default(0).describe('lines of context'),
      after: z.int().min(0).max(20).default(0).describe('lines of context'),
      limit: limited(200),
      gitignore: z.boolean().default(true).describe('pass over what .gitignore files name'),
    }),
    output: z.object({
      lines: z.array(z.object({ path: z.string(), line: z.int(), text: z.string(), is_match: z.boolean() })),
      matches: z.int().describe('also those that are not listed'),
      truncated: z.boolean(),
    }),
    hints: LOOKS,
    run: async ({ pattern, ignore_case: ignoreCase, glob, ...options }, { sandbox, signal }) => {
      const found = await sandbox.files.grep(pattern, { ...options, ignoreCase, ...(glob === undefined ? {} : { glob }), signal });
      const all = found.lines.map(({ path, line, text, isMatch }) => ({ path, line, text, is_match: isMatch }));
      const told = fitting(all, MAX_ANSWER_BYTES);
      const isCut = found.truncated || told.length < all.length;
      const texts = told.map(
        ({ path, line, text, is_match: isMatch }) => `${path}${isMatch ? ':' : '-'}${line}${isMatch ? ':' : '-'}${text}`,
      );
      return {
        text: lines(texts, isCut, 'no line matches'),
        structured: { lines: [...told], matches: found.matches, truncated: isCut },
      };
    },
  });

  addTool(server, host, {
    name: 'list',
    title: 'List a directory',
    description: 'Lists a directory, with all below it if asked.',
    input: z.strictObject({ path: Path, recursive: z.boolean().default(false), limit: limited(1000) }),
    output: z.object({
      entries: z.array(z.object({ path: z.string(), kind: z.string(), size: z.int() })).describe('paths from the listed directory'),
      truncated: z.boolean(),
    }),
    hints: LOOKS,
    run: async ({ path, recursive, limit }, { sandbox }) => {
      const { entries, truncated } = await sandbox.files.list(path, { recursive, limit });
      const all = entries.map(({ path: name, kind, size }) => ({ path: name, kind, size }));
      const told = fitting(all, MAX_ANSWER_BYTES);
      const isCut = truncated || told.length < all.length;
      const texts = told.map(({ path: name, kind, size }) =>
        kind === 'directory' ? `${name}/` : `${name}  ${size}${kind === 'file' ? '' : ` ${kind}`}`,
      );
      return { text: lines(texts, isCut, 'empty'), structured: { entries: [...told], truncated: isCut } };
    },
  });
}

function lines(texts: readonly string[], isCut: boolean, nothing: string): string {
  return [
    ...(texts.length === 0 ? [`[${nothing}]`] : texts),
    ...(isCut ? ['[there is more; narrow the question or raise limit]'] : []),
  ].join('\n');
}
