// `cloister/mastra`: sandbox, process manager and file system of a Mastra workspace.

export { CloisterFilesystem } from './filesystem.ts';
export { CloisterProcesses } from './processes.ts';
export { CloisterSandbox, type CloisterSandboxOptions } from './sandbox.ts';
