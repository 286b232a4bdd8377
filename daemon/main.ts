#!/usr/bin/env node
// The `cloister` binary: the one place that touches the process. Verbs that run things here are in daemon/cli,
// verbs that only need a connection in client/cli.

import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runCli } from './cli/program.ts';
import { createLog } from './observe/log.ts';

process.umask(0o077);

function findPackageRoot(): string {
  let directory = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(directory, 'package.json'))) directory = dirname(directory);
  return directory;
}

const packageRoot = findPackageRoot();
const { version } = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')) as { version: string };

const exitCode = await runCli(process.argv.slice(2), {
  env: process.env,
  version,
  packageRoot,
  platform: process.platform,
  arch: process.arch,
  isRoot: process.getuid?.() === 0,
  stdin: process.stdin,
  out: process.stdout,
  err: process.stderr,
  createLog: (level) => createLog({ level, destination: process.stderr }),
  onSignal: (listener) => {
    const signals = ['SIGTERM', 'SIGINT'] as const;
    for (const signal of signals) process.on(signal, listener);
    return () => {
      for (const signal of signals) process.off(signal, listener);
    };
  },
});
process.exitCode = exitCode;
