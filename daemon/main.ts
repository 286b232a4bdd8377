#!/usr/bin/env node
// The `cloister` binary: the one place that touches the process. Verbs that run things here are in daemon/cli,
// verbs that only need a connection in client/cli.

import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { runCli } from './cli/program.ts';
import { createLog } from './observe/log.ts';

process.umask(0o077);
// Output passes through as buffers beside a small heap. By default V8 then marks the whole heap for every 20 MB that pass, which
// costs more than passing them; with a limit of three times what is alive, short-lived buffers go with the young generation.
setFlagsFromString('--heap-growing-percent=200');

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
  onHangup: (listener) => {
    process.on('SIGHUP', listener);
    return () => void process.off('SIGHUP', listener);
  },
  onSignal: (listener) => {
    const signals = ['SIGTERM', 'SIGINT'] as const;
    for (const signal of signals) process.on(signal, listener);
    return () => {
      for (const signal of signals) process.off(signal, listener);
    };
  },
});
process.exitCode = exitCode;
