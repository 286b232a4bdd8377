// The part of a daemon that holds one sandbox's commands, as a process of its own that the test can kill.
// Arguments: directory, exec id, script, whether there are secrets. Prints what happens as JSON lines.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { argv, exit, stdout } from 'node:process';
import { pino } from 'pino';
import { ExecTable } from '../../../daemon/exec/exec-table.ts';
import type { SandboxId } from '../../../client/protocol/names.ts';
import { SecretStore } from '../../../daemon/secrets/secret-store.ts';
import { SpoolStore } from '../../../daemon/exec/spool-store.ts';
import { ControlListener } from '../../../daemon/link/control-listener.ts';
import type { Nonces } from '../../../daemon/link/control-listener.ts';
import { SandboxLink } from '../../../daemon/link/sandbox-link.ts';
import { systemClock } from '../../../daemon/observe/clock.ts';

const [directory = '', execId = '', script = '', hasSecrets] = argv.slice(2);
/** Where only files are named after it, any id will do. */
const SANDBOX = 'sb' as SandboxId;
const log = pino({ level: 'silent' });
const clock = systemClock;

async function main(): Promise<void> {
  const noncesPath = join(directory, 'nonces.json');
  const link = new SandboxLink({ sandboxId: 'sb', clock, log });
  const spools = new SpoolStore({ dir: join(directory, 'spool'), log });
  const secrets = hasSecrets === undefined ? null : await SecretStore.open(directory);
  await secrets?.adopt(SANDBOX);
  const table = await ExecTable.open({
    filters: secrets?.filters(SANDBOX),
    sandboxId: 'sb',
    link,
    spools,
    journalPath: join(directory, 'sb.execs.jsonl'),
    clock,
    log,
    maxRunning: 16,
  });
  await ControlListener.open({
    socketPath: join(directory, 'control.sock'),
    nonces: JSON.parse(readFileSync(noncesPath, 'utf8')) as Nonces,
    saveNonces: async (next) => writeFileSync(noncesPath, JSON.stringify(next)),
    link,
    clock,
    log,
  });
  await link.waitUntilUp({ timeoutMs: 20_000 });
  const execution = table.start({
    execId,
    argv: ['sh', '-c', script],
    env: { PATH: '/usr/bin:/bin' },
    cwd: '/workspace',
    stdin: 'none',
    outputPolicy: 'drop',
    background: true,
    command: script,
  });
  stdout.write(`${JSON.stringify({ up: execution.endOffset })}\n`);
  let text = '';
  for await (const event of execution.attach()) {
    if (event.kind === 'output') text += Buffer.from(event.bytes).toString();
    else stdout.write(`${JSON.stringify({ ...event, text })}\n`);
  }
  await table.close();
  stdout.end(() => exit(0));
}

void main();
