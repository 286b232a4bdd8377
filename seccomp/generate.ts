// Writes strict.json, debug.json and the tables of README.md from the groups: npx tsx seccomp/generate.ts
import { readFileSync, writeFileSync } from 'node:fs';
import { profileText, readmeTables } from './profile.ts';

const beside = (name: string): URL => new URL(name, import.meta.url);
const MARKER = '<!-- generated below by generate.ts -->\n';

for (const tier of ['strict', 'debug'] as const) writeFileSync(beside(`${tier}.json`), profileText(tier));
const readme = readFileSync(beside('README.md'), 'utf8');
const end = readme.indexOf(MARKER);
if (end < 0) throw new Error('Cannot write README.md: its marker line is missing');
writeFileSync(beside('README.md'), `${readme.slice(0, end)}${MARKER}\n${readmeTables()}`);
