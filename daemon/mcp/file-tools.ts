// The tools about one file's content: read, write, edit, multi_edit, patch.

import type { CallToolResult, McpServer } from '@modelcontextprotocol/server';
import { z } from 'zod';
import { SandboxError } from '../../client/index.ts';
import { addTool, LOOKS, type ToolHost } from './tool.ts';

const DEFAULT_LINES = 2000;
/** Of a file that is read as base64. */
const MAX_BYTES = 1024 * 1024;
const MAX_CONTENT = 3 * 1024 * 1024;

const Path = z.string().min(1).max(4096).describe('relative to /workspace, or absolute below it');
const CHANGES = { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: false };

const edit = {
  old_string: z.string().min(1).describe('exact text; must occur exactly once unless replace_all'),
  new_string: z.string(),
  replace_all: z.boolean().default(false),
};
const Edit = z.strictObject(edit);
const Edited = z.object({ path: z.string(), replacements: z.int(), lines: z.array(z.int()).describe('first lines where it matched') });

/** Begin of the file -> what it is. */
const IMAGES: readonly (readonly [signature: string, mimeType: string])[] = [
  ['89504e470d0a1a0a', 'image/png'],
  ['ffd8ff', 'image/jpeg'],
  ['474946383961', 'image/gif'],
  ['474946383761', 'image/gif'],
];

export function addFileTools(server: McpServer, host: ToolHost): void {
  addTool(server, host, {
    name: 'read',
    title: 'Read a file',
    description: 'Reads a text file as numbered lines; with format base64 any file of at most 1 MiB, images also as an image.',
    input: z.strictObject({
      path: Path,
      offset: z.int().min(1).optional().describe('first line, from 1'),
      limit: z.int().min(1).max(1_000_000).optional().describe(`lines; ${DEFAULT_LINES} unless given`),
      format: z.enum(['text', 'base64']).default('text'),
    }),
    output: z.object({
      path: z.string(),
      text: z.string().optional().describe('the lines, without numbers'),
      start_line: z.int().optional(),
      end_line: z.int().optional(),
      total_lines: z.int().nullable().optional().describe('null: the end of the file was not reached'),
      truncated: z.boolean().optional(),
      base64: z.string().optional(),
      size: z.int().optional(),
    }),
    hints: LOOKS,
    run: async ({ path, offset = 1, limit = DEFAULT_LINES, format }, { sandbox }) => {
      if (format === 'base64')
        return await readBytes(
          path,
          () => sandbox.files.stat(path),
          () => sandbox.files.read(path),
        );
      const view = await sandbox.files.view(path, { startLine: offset, endLine: offset + limit - 1 });
      if (view.kind === 'directory')
        throw new SandboxError('IS_DIRECTORY', `Cannot read ${JSON.stringify(path)}: it is a directory`, { hint: 'Use list.' });
      const { text, startLine, endLine, totalLines, truncated } = view;
      const isMore = totalLines === null || endLine < totalLines;
      const rest = isMore ? `\n[lines ${startLine} to ${endLine} of ${totalLines ?? 'more'}; go on with offset ${endLine + 1}]` : '';
      const plain = text
        .split('\n')
        .map((line) => line.replace(/^ *\d+\t/, ''))
        .join('\n');
      return {
        text: text === '' ? '[empty]' : text + rest,
        structured: {
          path,
          text: plain,
          start_line: startLine,
          end_line: endLine,
          total_lines: totalLines,
          truncated: truncated || isMore,
        },
      };
    },
  });

  addTool(server, host, {
    name: 'write',
    title: 'Write a file',
    description: 'Puts a whole file in place, at once; directories above it are made. Use edit for changes.',
    input: z.strictObject({
      path: Path,
      content: z.string().max(MAX_CONTENT),
      encoding: z.enum(['utf-8', 'base64']).default('utf-8').describe('of `content`'),
      append: z.boolean().default(false).describe('add to the end'),
    }),
    output: z.object({ path: z.string(), size: z.int() }),
    hints: { ...CHANGES, idempotentHint: true },
    run: async ({ path, content, encoding, append }, { sandbox }) => {
      const { size } = await sandbox.files.write(path, encoding === 'base64' ? Buffer.from(content, 'base64') : content, { append });
      return { text: `wrote ${path}, ${size} bytes`, structured: { path, size } };
    },
  });

  addTool(server, host, {
    name: 'edit',
    title: 'Edit a file',
    description: 'Replaces text that occurs exactly once in a file, or everywhere with replace_all. Line ends and encoding stay.',
    input: z.strictObject({ path: Path, ...edit }),
    output: Edited,
    hints: CHANGES,
    run: async ({ path, ...change }, { sandbox }) => edited(path, await sandbox.files.edit(path, toEdit(change))),
  });

  addTool(server, host, {
    name: 'multi_edit',
    title: 'Edit a file in several places',
    description: 'Applies several edits to one file, each to what the one before left; all of them or none.',
    input: z.strictObject({ path: Path, edits: z.array(Edit).min(1).max(100) }),
    output: Edited,
    hints: CHANGES,
    run: async ({ path, edits }, { sandbox }) => edited(path, await sandbox.files.edit(path, edits.map(toEdit))),
  });

  addTool(server, host, {
    name: 'patch',
    title: 'Apply a patch',
    description: 'Applies a unified diff or a V4A patch (*** Begin Patch) to all its files, or to none.',
    input: z.strictObject({
      patch: z.string().min(1).max(1_000_000),
      path: Path.optional().describe('the file, for hunks without file headers'),
    }),
    output: z.object({
      files: z.array(z.object({ path: z.string(), action: z.string(), added: z.int(), removed: z.int(), offset: z.int(), fuzz: z.int() })),
    }),
    hints: CHANGES,
    run: async ({ patch, path }, { sandbox }) => {
      const { files } = await sandbox.files.patch(patch, { path });
      return {
        text: files.map((file) => `${file.action} ${file.path} +${file.added} -${file.removed}`).join('\n'),
        structured: {
          files: files.map(({ path: name, action, added, removed, offset, fuzz }) => ({
            path: name,
            action,
            added,
            removed,
            offset,
            fuzz,
          })),
        },
      };
    },
  });
}

const toEdit = ({ old_string: oldText, new_string: newText, replace_all: replaceAll }: z.output<typeof Edit>) => ({
  oldText,
  newText,
  replaceAll,
});

function edited(
  path: string,
  { replacements, edits }: { readonly replacements: number; readonly edits: readonly { readonly lines: readonly number[] }[] },
) {
  const lines = edits.flatMap((one) => one.lines);
  return {
    text: `edited ${path}: ${replacements} ${replacements === 1 ? 'replacement' : 'replacements'}, at line ${lines.join(', ')}`,
    structured: { path, replacements, lines },
  };
}

async function readBytes(path: string, stat: () => Promise<{ readonly size: number }>, read: () => Promise<Uint8Array>) {
  const { size } = await stat();
  if (size > MAX_BYTES)
    throw new SandboxError('TOO_LARGE', `Cannot read ${JSON.stringify(path)}: it has ${size} bytes, more than ${MAX_BYTES}`, {
      hint: 'Read a part of it with bash, for example with head -c or base64.',
    });
  const bytes = Buffer.from(await read());
  const base64 = bytes.toString('base64');
  const begin = bytes.subarray(0, 8).toString('hex');
  const mimeType = IMAGES.find(([signature]) => begin.startsWith(signature))?.[1];
  const more: CallToolResult['content'] = mimeType === undefined ? [] : [{ type: 'image', data: base64, mimeType }];
  return {
    text: mimeType === undefined ? base64 : `${path}: ${mimeType}, ${bytes.length} bytes`,
    structured: { path, base64, size: bytes.length },
    more,
  };
}
