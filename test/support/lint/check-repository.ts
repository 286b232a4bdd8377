// Applies the repository's own rules to every text file that git knows or would add.

import { execFileSync } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { checkFile, type SourceFile } from './repository-rules.ts';

/** Written by tools, or the words of others. */
const EXEMPT = /^(package-lock\.json|LICENSE|seccomp\/[a-z]+\.json)$/;
const MAX_BYTES = 1024 * 1024;

function* textFiles(root: string): Iterable<SourceFile> {
  const listed = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: root, encoding: 'utf8' });
  for (const path of listed.split('\0')) {
    if (path === '' || EXEMPT.test(path)) continue;
    const stat = statSync(`${root}/${path}`, { throwIfNoEntry: false });
    if (stat === undefined || !stat.isFile() || stat.size > MAX_BYTES) continue;
    const text = readFileSync(`${root}/${path}`, 'utf8');
    if (!text.includes('\0')) yield { path, text };
  }
}

const files = [...textFiles(process.cwd())];
if (files.length === 0) {
  console.error('Cannot check the repository: git lists no file here');
  process.exitCode = 1;
}
const violations = files.flatMap(checkFile);
for (const { path, line, rule, message } of violations) console.error(`${path}${line > 0 ? `:${line}` : ''} ${message} [${rule}]`);
console.log(`${files.length} files, ${violations.length} violations`);
if (violations.length > 0) process.exitCode = 1;
