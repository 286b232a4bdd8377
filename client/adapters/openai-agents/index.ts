// `cloister/openai-agents`: what the OpenAI Agents SDK takes for shellTool, applyPatchTool and SandboxAgent.

export { createEditor } from './editor.ts';
export { CloisterSandboxClient, type CloisterSandboxClientOptions } from './sandbox-client.ts';
export { CloisterSandboxSession, type CloisterSessionState } from './sandbox-session.ts';
export { createShell } from './shell.ts';
export type { CommandOptions } from '../answer.ts';
