// `cloister/anthropic`: client tools of the Anthropic SDK's tool runners, over one sandbox.

export { createAgentToolset } from './agent-toolset.ts';
export { createBashTool, type BashToolOptions } from './bash-tool.ts';
export { createTextEditorTool, type TextEditorOptions } from './text-editor-tool.ts';
