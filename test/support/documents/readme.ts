// The README as it should be: its example and its configuration table come from the files they speak of.

import type { z } from 'zod';
import { configTable } from './config-table.ts';
import { withPart } from './marked-part.ts';

/** Where parts of the configuration live that have a file of their own. */
export const CONFIG_SECTIONS = ['daemon/cluster-config.ts', 'daemon/compat/config.ts'] as const;

export interface ReadmeSources {
  readonly readme: string;
  /** Text of examples/first-steps.ts. */
  readonly example: string;
  /** Text of daemon/config.ts. */
  readonly configSource: string;
  readonly configSchema: z.ZodType;
  /** Texts of the files whose schemas it names. */
  readonly configSections: readonly string[];
}

const EXAMPLE = { begin: '<!-- example: examples/first-steps.ts -->', end: '<!-- end of example -->' };
const CONFIGURATION = { begin: '<!-- configuration: written by npm run docs -->', end: '<!-- end of configuration -->' };

export function renderReadme({ readme, example, configSource, configSchema, configSections }: ReadmeSources): string {
  const program = example.slice(example.indexOf('import ')).replace("'../client/index.ts'", "'cloister'");
  const withExample = withPart(readme, EXAMPLE, `\`\`\`ts\n${program.trim()}\n\`\`\``);
  return withPart(withExample, CONFIGURATION, configTable(configSource, configSchema, configSections));
}
