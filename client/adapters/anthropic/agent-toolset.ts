// The tools of `agent_toolset_20260401` (bash, read, write, edit, glob, grep) with the shapes of the SDK's own ones for Node.

import { betaZodTool } from '@anthropic-ai/sdk/helpers/beta/zod';
import type { BetaRunnableTool } from '@anthropic-ai/sdk/lib/tools/BetaRunnableTool';
import { ToolError } from '@anthropic-ai/sdk/lib/tools/ToolError';
import { z } from 'zod';
import type { Sandbox } from '../../sandbox.ts';
import { told } from '../answer.ts';
import { PersistentShell, type ShellOptions } from '../persistent-shell.ts';

const MAX_FOUND = 1000;
const file_path = z.string().min(1);

/**
 * For `client.beta.messages.toolRunner({ tools })` and for the tool runner of managed agents' sessions; filter it for fewer.
 * A command that fails is a tool error, as in the SDK's own toolset.
 * @example const tools = createAgentToolset(sandbox).filter(({ name }) => name !== 'bash');
 */
export function createAgentToolset(sandbox: Sandbox, options: ShellOptions = {}): BetaRunnableTool[] {
  const { files } = sandbox;
  const shell = new PersistentShell(sandbox, options);
  const bash = betaZodTool({
    name: 'bash',
    description: 'Run a bash command in a persistent shell. State (cwd, env vars) persists across calls.',
    inputSchema: z.object({
      command: z.string().optional().describe('The command to run'),
      restart: z.boolean().optional().describe('Restart the persistent shell before running'),
      timeout_ms: z.int().min(1).optional().describe('Per-call timeout in milliseconds'),
    }),
    run: async ({ timeout_ms, ...input }, context) => {
      const { text, isError } = await shell.call({ ...input, timeoutMs: timeout_ms, signal: context?.signal });
      if (isError) throw new ToolError(text);
      return text;
    },
  });
  return [
    { ...bash, close: () => shell.close() },
    betaZodTool({
      name: 'read',
      description: 'Read a UTF-8 text file relative to the workdir.',
      inputSchema: z.object({
        file_path,
        view_range: z
          .tuple([z.int().min(1), z.int()])
          .optional()
          .describe('[start_line, end_line] 1-indexed inclusive'),
      }),
      run: ({ file_path, view_range: [startLine, endLine] = [1, -1] }) =>
        told(() => files.readText(file_path, { startLine, endLine: endLine === -1 ? undefined : endLine })),
    }),
    betaZodTool({
      name: 'write',
      description: 'Write a UTF-8 text file relative to the workdir, creating parent directories as needed.',
      inputSchema: z.object({ file_path, content: z.string() }),
      run: async ({ file_path, content }) => `wrote ${(await told(() => files.write(file_path, content))).size} bytes to ${file_path}`,
    }),
    betaZodTool({
      name: 'edit',
      description: 'Replace old_string with new_string in a file. old_string must be unique unless replace_all.',
      inputSchema: z.object({ file_path, old_string: z.string().min(1), new_string: z.string(), replace_all: z.boolean().optional() }),
      run: async ({ file_path, old_string, new_string, replace_all }) => {
        const edit = { oldText: old_string, newText: new_string, replaceAll: replace_all };
        return `replaced ${(await told(() => files.edit(file_path, edit))).replacements} occurrence(s) in ${file_path}`;
      },
    }),
    betaZodTool({
      name: 'glob',
      description: 'Match files under the workdir against a glob pattern. Results are mtime-sorted, newest first.',
      inputSchema: z.object({
        pattern: z.string().min(1),
        path: z.string().optional().describe('Directory to search in. Defaults to the workdir.'),
      }),
      run: async ({ pattern, path = '.' }) => {
        const { entries, truncated } = await told(() => files.glob(pattern, { path, limit: MAX_FOUND }));
        const newest = [...entries].sort((a, b) => b.modifiedAt.localeCompare(a.modifiedAt));
        return [...newest.map((entry) => entry.path), ...(truncated ? ['[more files match]'] : [])].join('\n');
      },
    }),
    betaZodTool({
      name: 'grep',
      description: 'Search file contents for a regex.',
      inputSchema: z.object({ pattern: z.string().min(1), path: z.string().optional() }),
      run: async ({ pattern, path = '.' }) => {
        const { lines, truncated } = await told(() => files.grep(pattern, { path, limit: MAX_FOUND }));
        return [...lines.map(({ path, line, text }) => `${path}:${line}:${text}`), ...(truncated ? ['[more lines match]'] : [])].join('\n');
      },
    }),
  ];
}
