// docs/agent-shell.md as it should be: it shows the example that is tested.

import { withPart } from './marked-part.ts';

const EXAMPLE = { begin: '<!-- example: examples/agent-shell.ts -->', end: '<!-- end of example -->' };

export function renderAgentShell(text: string, example: string): string {
  const program = example.slice(example.indexOf('import ')).replace("'../client/index.ts'", "'cloister'");
  return withPart(text, EXAMPLE, `\`\`\`ts\n${program.trim()}\n\`\`\``);
}
