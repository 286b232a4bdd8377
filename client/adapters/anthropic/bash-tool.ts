// `bash_20250124`: one persistent bash whose directory, variables and jobs survive from call to call, until `restart`.

import type { BetaToolBash20250124 } from '@anthropic-ai/sdk/resources/beta/messages/messages';
import type { BetaRunnableTool } from '@anthropic-ai/sdk/lib/tools/BetaRunnableTool';
import { z } from 'zod';
import type { Sandbox } from '../../sandbox.ts';
import { PersistentShell, type ShellOptions } from '../persistent-shell.ts';

/** `timeoutMs`: default 120,000; the command is interrupted then and the shell goes on. */
export type BashToolOptions = ShellOptions;

const BashInput = z.object({ command: z.string().optional(), restart: z.boolean().optional(), timeout_ms: z.int().min(1).optional() });
type BashInput = z.infer<typeof BashInput>;

/**
 * @example
 *   const tools = [createBashTool(sandbox), createTextEditorTool(sandbox)];
 *   const message = await anthropic.beta.messages.toolRunner({ model, max_tokens, messages, tools });
 */
export function createBashTool(sandbox: Sandbox, options: BashToolOptions = {}): BetaRunnableTool<BashInput> {
  const shell = new PersistentShell(sandbox, options);
  return {
    type: 'bash_20250124',
    name: 'bash',
    parse: (content) => BashInput.parse(content),
    run: async ({ timeout_ms, ...input }, context) => (await shell.call({ ...input, timeoutMs: timeout_ms, signal: context?.signal })).text,
    close: () => shell.close(),
  } satisfies BetaToolBash20250124 & BetaRunnableTool<BashInput>;
}
