// `text_editor_20250728`: view, create, str_replace and insert in the workspace.

import type { BetaToolTextEditor20250728 } from '@anthropic-ai/sdk/resources/beta/messages/messages';
import type { BetaRunnableTool } from '@anthropic-ai/sdk/lib/tools/BetaRunnableTool';
import { z } from 'zod';
import type { SandboxFiles } from '../../files.ts';
import type { Sandbox } from '../../sandbox.ts';
import { told } from '../answer.ts';

export interface TextEditorOptions {
  /** Characters of a file that one view shows; told to the model's side too. */
  readonly maxCharacters?: number | undefined;
}

const path = z.string().min(1);
const EditorInput = z.discriminatedUnion('command', [
  z.object({ command: z.literal('view'), path, view_range: z.tuple([z.int().min(1), z.int()]).optional() }),
  z.object({ command: z.literal('create'), path, file_text: z.string() }),
  z.object({ command: z.literal('str_replace'), path, old_str: z.string().min(1), new_str: z.string().default('') }),
  z.object({ command: z.literal('insert'), path, insert_line: z.int().min(0), insert_text: z.string() }),
]);
type EditorInput = z.infer<typeof EditorInput>;

/** @example const tools = [createTextEditorTool(sandbox, { maxCharacters: 20_000 })]; */
export function createTextEditorTool(sandbox: Sandbox, { maxCharacters }: TextEditorOptions = {}): BetaRunnableTool<EditorInput> {
  return {
    type: 'text_editor_20250728',
    name: 'str_replace_based_edit_tool',
    ...(maxCharacters === undefined ? {} : { max_characters: maxCharacters }),
    parse: (content) => EditorInput.parse(content),
    run: (input) => told(() => apply(sandbox.files, input, maxCharacters ?? Number.POSITIVE_INFINITY)),
  } satisfies BetaToolTextEditor20250728 & BetaRunnableTool<EditorInput>;
}

async function apply(files: SandboxFiles, input: EditorInput, maxCharacters: number): Promise<string> {
  const { path } = input;
  switch (input.command) {
    case 'view': {
      const [startLine, endLine] = input.view_range ?? [undefined, undefined];
      // -1 is the end of the file.
      const view = await files.view(path, { startLine, endLine: endLine === -1 ? undefined : endLine });
      const isCut = view.truncated || view.text.length > maxCharacters;
      return isCut ? `${view.text.slice(0, maxCharacters)}\n[more follows: use view_range]` : view.text;
    }
    case 'create':
      await files.write(path, input.file_text);
      return `File created successfully at: ${path}`;
    case 'str_replace':
      await files.edit(path, { oldText: input.old_str, newText: input.new_str });
      return `The file ${path} has been edited.`;
    case 'insert':
      await files.insert(path, { line: input.insert_line, text: input.insert_text });
      return `The file ${path} has been edited.`;
  }
}
