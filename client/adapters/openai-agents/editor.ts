// The Editor of `applyPatchTool`: headerless V4A diffs, one file at a time; a file that changed meanwhile is left alone.

import { createHash } from 'node:crypto';
import { applyDiff, type ApplyPatchResult, type Editor } from '@openai/agents';
import type { Sandbox } from '../../sandbox.ts';
import { forModel } from '../answer.ts';

/** @example const agent = new Agent({ name, tools: [applyPatchTool({ editor: createEditor(sandbox) })] }); */
export function createEditor({ files }: Sandbox): Editor {
  return {
    createFile: ({ path, diff }) =>
      settled(`Created ${path}`, async () => await files.write(path, applyDiff('', diff, 'create'), { exclusive: true })),
    updateFile: ({ path, diff, moveTo = path }) =>
      settled(moveTo === path ? `Updated ${path}` : `Updated ${path} and moved it to ${moveTo}`, async () => {
        const bytes = await files.read(path);
        const text = applyDiff(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes), diff);
        const ifMatch = createHash('sha256').update(bytes).digest('hex');
        await files.write(moveTo, text, moveTo === path ? { ifMatch } : { exclusive: true });
        if (moveTo !== path) await files.remove(path);
      }),
    deleteFile: ({ path }) => settled(`Deleted ${path}`, () => files.remove(path)),
  };
}

async function settled(done: string, task: () => Promise<unknown>): Promise<ApplyPatchResult> {
  try {
    await task();
    return { status: 'completed', output: done };
  } catch (error) {
    return { status: 'failed', output: forModel(error).message };
  }
}
