// `cloister/ai`: the Vercel AI SDK. Tools for a model, and the sandbox that the bash-tool package asks for.

export { createBashToolSandbox } from './bash-tool-sandbox.ts';
export { createTools, type SandboxTools } from './tools.ts';
export type { CommandOptions } from '../answer.ts';
