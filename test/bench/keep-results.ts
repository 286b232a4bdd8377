// npx tsx test/bench/keep-results.ts [FILE]: keeps of a benchmark's results what docs/capacity.md is made of, in kept-results.json. FILE is
// results/latest.json unless given, and must be of a whole run: what a hurried one found is not for planning.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BenchResults, KEPT_WORKLOADS } from '../support/documents/capacity.ts';

const file = process.argv[2] ?? join(import.meta.dirname, 'results/latest.json');
const { environment, isQuick, results } = BenchResults.parse(JSON.parse(readFileSync(file, 'utf8')));
const kept = KEPT_WORKLOADS.map((name) => results.find(({ workload }) => workload === name));
if (isQuick || kept.includes(undefined)) {
  process.stderr.write(`Cannot keep ${file}: it must be of a whole run of npm run bench, not quick, with ${KEPT_WORKLOADS.join(', ')}\n`);
  process.exit(1);
}
writeFileSync(join(import.meta.dirname, 'kept-results.json'), `${JSON.stringify({ environment, isQuick, results: kept }, null, 2)}\n`);
