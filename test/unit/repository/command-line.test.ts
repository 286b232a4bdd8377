// The README names the verbs that the command line has, and no other.

import { readFileSync } from 'node:fs';
import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import { runCli } from '../../../daemon/cli/program.ts';
import { createLog } from '../../../daemon/observe/log.ts';

async function help(): Promise<string> {
  const out = new PassThrough();
  const err = new PassThrough();
  const exitCode = await runCli(['--help'], {
    env: {},
    version: '0.0.0',
    packageRoot: '.',
    platform: 'linux',
    arch: 'x64',
    isRoot: false,
    stdin: new PassThrough() as unknown as NodeJS.ReadStream,
    out: out as unknown as NodeJS.WriteStream,
    err: err as unknown as NodeJS.WriteStream,
    createLog: () => createLog({ level: 'silent', destination: err }),
    onSignal: () => () => {},
    onHangup: () => () => {},
  });
  expect(exitCode).toBe(0);
  return String(out.read());
}

test('the README has a row for every verb of the command line', async () => {
  const commands = (await help()).split('Commands:')[1] ?? '';
  const verbs = [...commands.matchAll(/^ {2}([a-z]+)\b/gm)].map((match) => match[1] ?? '').filter((verb) => verb !== 'help');
  const section = readFileSync('README.md', 'utf8').split('## The command line')[1]?.split('\n## ')[0] ?? '';
  const rows = section.split('\n').filter((line) => line.startsWith('| `'));
  const named = rows.flatMap((row) => [...(row.split(' | ')[0] ?? '').matchAll(/`([a-z]+)/g)].map((match) => match[1] ?? ''));
  expect(named.toSorted()).toEqual(verbs.toSorted());
});
