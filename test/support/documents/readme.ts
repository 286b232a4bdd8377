// The README as it should be: its example and its configuration table come from the files they speak of.

import type { z } from 'zod';
import { configTable } from './config-table.ts';
import { withPart } from './marked-part.ts';

export interface ReadmeSources {
  readonly readme: string;
  /** Text of examples/first-steps.ts. */
  readonly example: string;
  /** Text of daemon/config.ts. */
  readonly configSource: string;
  readonly configSchema: z.ZodType;
}

const EXAMPLE = { begin: '<!-- example: examples/first-steps.ts -->', end: '<!-- end of example -->' };
const CONFIGURATION = { begin: '<!-- configuration: written by npm run docs -->', end: '<!-- end of configuration -->' };

export function renderReadme({ readme, example, configSource, configSchema }: ReadmeSources): string {
  const program = example.slice(example.indexOf('import ')).replace("'../client/index.ts'", "'cloister'");
  const withExample = withPart(readme, EXAMPLE, `\`\`\`ts\n${program.trim()}\n\`\`\``);
  return withPart(withExample, CONFIGURATION, configTable(configSource, configSchema));
}
