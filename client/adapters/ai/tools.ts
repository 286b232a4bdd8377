// Tools of the AI SDK over one sandbox. A failed command is an answer; a failed file call is a tool error with a hint.

import type { Tool, ToolExecutionOptions } from 'ai';
import { z } from 'zod';
import type { Sandbox } from '../../sandbox.ts';
import { type Answer, answerOf, type CommandOptions, commandOptions, told } from '../answer.ts';

const MAX_TIMEOUT_MS = 3_600_000;
const MAX_FOUND = 200;

const path = z.string().describe('Path in the workspace, relative or absolute under /workspace');
const Bash = z.object({
  command: z.string().min(1).describe('The command, as bash takes it; each call is a shell of its own'),
  cwd: z.string().optional().describe('Working directory; the workspace unless given'),
  timeoutMs: z.int().min(1).max(MAX_TIMEOUT_MS).optional().describe('Milliseconds after which the command and all it started are ended'),
});
const line = z.int().min(1).optional();
const Read = z.object({ path, startLine: line.describe('First line, from 1'), endLine: line.describe('Last line, inclusive') });
const Write = z.object({ path, content: z.string() });
const Edit = z.object({
  path,
  oldText: z.string().min(1).describe('Text that occurs exactly once, unless replaceAll'),
  newText: z.string(),
  replaceAll: z.boolean().optional(),
});
const List = z.object({ path: path.default('.'), recursive: z.boolean().default(false) });
const Glob = z.object({ pattern: z.string().min(1).describe('For example **/*.ts'), path: path.default('.') });
const Grep = z.object({
  pattern: z.string().min(1).describe('A regular expression'),
  path: path.default('.'),
  glob: z.string().min(1).optional().describe('Which files to search'),
  literal: z.boolean().default(false),
});

export interface SandboxTools {
  readonly bash: Tool<z.infer<typeof Bash>, Answer>;
  readonly read: Tool<z.infer<typeof Read>, string>;
  readonly write: Tool<z.infer<typeof Write>, string>;
  readonly edit: Tool<z.infer<typeof Edit>, string>;
  readonly list: Tool<z.infer<typeof List>, Found>;
  readonly glob: Tool<z.infer<typeof Glob>, Found>;
  readonly grep: Tool<z.infer<typeof Grep>, Found>;
}

interface Found {
  found: string[];
  truncated: boolean;
}

/**
 * Tools for `generateText`, `streamText` and agents. Whether a person must approve a call is for the daemon's rules and
 * `onConfirm` to say; aborting the generation ends the command.
 * @example const { text } = await generateText({ model, tools: createTools(sandbox), stopWhen: stepCountIs(20), prompt });
 */
export function createTools(sandbox: Sandbox, options: CommandOptions = {}): SandboxTools & Record<string, Tool> {
  const defaults = commandOptions(options);
  const { files } = sandbox;
  return {
    bash: define('Runs a shell command in the sandbox.', Bash, async ({ command, cwd, timeoutMs }, { abortSignal, toolCallId }) => {
      const own = { cwd: cwd ?? defaults.cwd, timeoutMs: timeoutMs ?? defaults.timeoutMs, signal: abortSignal };
      return answerOf(await sandbox.exec(command, { ...defaults, ...own, labels: { toolCall: toolCallId.slice(0, 256) } }));
    }),
    read: define('Reads a text file, with line numbers, or lists a directory.', Read, async ({ path, startLine, endLine }) => {
      const view = await files.view(path, { startLine, endLine });
      return view.truncated ? `${view.text}\n[more follows: ask for a range of lines]` : view.text;
    }),
    write: define('Writes a text file; parent directories are created.', Write, async ({ path, content }) => {
      const { size } = await files.write(path, content);
      return `wrote ${size} bytes to ${path}`;
    }),
    edit: define('Replaces text in a file.', Edit, async ({ path, oldText, newText, replaceAll }) => {
      const { replacements } = await files.edit(path, { oldText, newText, replaceAll });
      return `made ${replacements} replacement${replacements === 1 ? '' : 's'} in ${path}`;
    }),
    list: define('Lists a directory.', List, async ({ path, recursive }) => {
      const { entries, truncated } = await files.list(path, { recursive, limit: MAX_FOUND });
      return { found: entries.map(({ path, kind }) => (kind === 'directory' ? `${path}/` : path)), truncated };
    }),
    glob: define('Finds files by their names.', Glob, async ({ pattern, path }, { abortSignal }) => {
      const { paths, truncated } = await files.glob(pattern, { path, limit: MAX_FOUND, ...signalled(abortSignal) });
      return { found: [...paths], truncated };
    }),
    grep: define('Finds lines in files.', Grep, async ({ pattern, path, glob, literal }, { abortSignal }) => {
      const { lines, truncated } = await files.grep(pattern, { path, glob, literal, limit: MAX_FOUND, ...signalled(abortSignal) });
      return { found: lines.map(({ path, line, text }) => `${path}:${line}:${text}`), truncated };
    }),
  };
}

type Execute<Input, Output> = (input: Input, options: ToolExecutionOptions) => Promise<Output>;

function define<Input, Output>(description: string, inputSchema: z.ZodType<Input>, execute: Execute<Input, Output>): Tool<Input, Output> {
  const tool = { description, inputSchema, execute: (input: Input, options: ToolExecutionOptions) => told(() => execute(input, options)) };
  return tool as unknown as Tool<Input, Output>;
}

const signalled = (signal: AbortSignal | undefined): { readonly signal?: AbortSignal } => (signal === undefined ? {} : { signal });
