// `cloister/deepagents`: a sandbox as the backend of a deep agent.

export { CloisterBackend } from './backend.ts';
export type { CommandOptions } from '../answer.ts';
