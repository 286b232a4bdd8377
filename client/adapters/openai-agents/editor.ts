// The Editor of `applyPatchTool`: headerless V4A diffs, one file at a time; a file that changed meanwhile is left alone.

import { createHash } from 'node:crypto';
import { applyDiff, type ApplyPatchResult, type Editor } from '@openai/agents';
import type { Sandbox } from '../../sandbox.ts';
import { forModel } from '../answer.ts';

/** @example const agent = new Agent({ name, tools: [applyPatchTool({ editor: createEditor(sandbox) })] }); */
export function createEditor({ files }: Sandbox): Editor {
  return {
    createFile: ({ path, diff }) =>
      settled(async () => {
        await files.write(path, applyDiff('', diff, 'create'), { exclusive: true });
        return `Created ${path}`;
      }),
    updateFile: ({ path, diff, moveTo }) =>
      settled(async () => {
        const bytes = await files.read(path);
        const text = applyDiff(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes), diff);
        if (moveTo === undefined || moveTo === path) {
          await files.write(path, text, { ifMatch: createHash('sha256').update(bytes).digest('hex') });
          return `Updated ${path}`;
        }
        await files.write(moveTo, text, { exclusive: true });
        await files.remove(path);
        return `Updated ${path} and moved it to ${moveTo}`;
      }),
    deleteFile: ({ path }) =>
      settled(async () => {
        await files.remove(path);
        return `Deleted ${path}`;
      }),
  };
}

async function settled(task: () => Promise<string>): Promise<ApplyPatchResult> {
  try {
    return { status: 'completed', output: await task() };
  } catch (error) {
    return { status: 'failed', output: forModel(error).message };
  }
}
