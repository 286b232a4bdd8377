// `npm run docs`: writes the parts of the documents that come from the code.

import { readFileSync, writeFileSync } from 'node:fs';
import { Config } from '../../../daemon/config.ts';
import { renderAgentShell } from './agent-shell.ts';
import { BenchResults, renderCapacity, Simulated } from './capacity.ts';
import { renderProtocolSchema, renderProtocolText } from './protocol.ts';
import { CONFIG_SECTIONS, renderReadme } from './readme.ts';

const read = (path: string): string => readFileSync(path, 'utf8');
const readme = renderReadme({
  readme: read('README.md'),
  example: read('examples/first-steps.ts'),
  configSource: read('daemon/config.ts'),
  configSchema: Config,
  configSections: CONFIG_SECTIONS.map(read),
});
writeFileSync('README.md', readme);
writeFileSync('docs/protocol.schema.json', renderProtocolSchema());
writeFileSync('docs/protocol.md', renderProtocolText(read('docs/protocol.md')));
writeFileSync('docs/agent-shell.md', renderAgentShell(read('docs/agent-shell.md'), read('examples/agent-shell.ts')));
const bench = BenchResults.parse(JSON.parse(read('test/bench/kept-results.json')));
const simulated = Simulated.parse(JSON.parse(read('test/load/simulated-fleet.json')));
writeFileSync('docs/capacity.md', renderCapacity(read('docs/capacity.md'), bench, simulated));
