// `cloister inspect`: everything about one sandbox; with --verify, whether its receipt is one the daemon signed, without asking it.

import { createPublicKey } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import { z } from 'zod';
import { SandboxError, verifyReceipt } from '../../client/index.ts';
import { Receipt } from '../../client/protocol/receipt.ts';
import { act, printJson } from '../../client/cli/act.ts';
import { escapeText } from '../../client/cli/escape-text.ts';
import type { CliContext } from '../../client/cli/index.ts';
import { findSandbox } from '../../client/cli/join-session.ts';
import { keysOf } from '../auth/signing-keys.ts';
import { loadConfig } from '../load-config.ts';
import { readJsonFile } from '../observe/atomic-file.ts';
import { SandboxRecord } from '../session/sandbox-record.ts';
import { receiptKeyPathOf } from '../state-dir.ts';
import type { CliProcess } from './context.ts';
import { daemonFetch } from './daemon-http.ts';

interface InspectFlags {
  readonly verify?: boolean;
  readonly key?: string;
  readonly stateDir?: string;
}

/** A receipt, or what has one in it: the answer of inspect --json, a record of the audit log. */
const Holder = z.union([Receipt, z.object({ receipt: Receipt }).transform(({ receipt }) => receipt)]);

export function addInspectCommand(program: Command, cli: CliProcess, context: CliContext): void {
  program
    .command('inspect')
    .description('everything about one sandbox: what it may do, what it uses, what runs, its receipt')
    .argument('<id>', 'sandbox id or session name; with --verify also a file with a receipt')
    .option('--verify', "check the signature of its receipt with the daemon's public key, offline; exit 1 if it does not hold")
    .option('--key <file>', "public key (PEM), in place of the state directory's")
    .option('--state-dir <dir>', 'state directory of the daemon')
    .action(async (id: string, flags: InspectFlags, command: Command) => {
      if (flags.verify === true) return verify(cli, context, id, flags);
      await act(context, 1, async (cloister) => {
        const { id: sandbox } = await findSandbox(cloister, id);
        const response = await daemonFetch(cli, command.optsWithGlobals(), `/v1/inspect/${sandbox}`);
        const found: unknown = await response.json();
        if (context.json) printJson(context, found);
        else context.out.write(outlined(found));
        return 0;
      });
    });
}

async function verify(cli: CliProcess, context: CliContext, id: string, flags: InspectFlags): Promise<void> {
  const config = loadConfig({ file: cli.env['CLOISTER_CONFIG'], env: cli.env, options: { stateDir: flags.stateDir } });
  const text = await readFile(id, 'utf8').catch(() => null);
  const receipt = text === null ? await recorded(config.stateDir, id) : parsed(id, text);
  const key =
    flags.key === undefined
      ? keysOf(await readFile(receiptKeyPathOf(config.stateDir), 'utf8')).publicKey
      : createPublicKey(await readFile(flags.key, 'utf8'));
  const isGenuine = verifyReceipt(receipt, key);
  if (context.json) printJson(context, { sandboxId: receipt.sandboxId, at: receipt.at, isGenuine });
  else
    context.out.write(
      isGenuine
        ? `${receipt.sandboxId}: signed by this daemon at ${receipt.at}; nothing of it was changed\n`
        : `${receipt.sandboxId}: NOT signed by this daemon, or changed since\n`,
    );
  if (!isGenuine) context.exit(1);
}

/** From the directory as it lies there: a daemon may be writing to it. */
async function recorded(stateDir: string, id: string): Promise<Receipt> {
  const directory = join(stateDir, 'sandboxes');
  const found: SandboxRecord[] = [];
  for (const name of await readdir(directory).catch(() => [])) {
    const record = name.endsWith('.json') ? await readJsonFile(join(directory, name), SandboxRecord).catch(() => undefined) : undefined;
    if (record !== undefined && (record.id === id || record.session === id)) found.push(record);
  }
  const receipt = found.length === 1 ? found[0]?.receipt : null;
  if (receipt !== null && receipt !== undefined) return receipt;
  const cause = found.length > 1 ? 'several tenants have one of this name' : `there is none in ${stateDir}`;
  throw new SandboxError('NOT_FOUND', `Cannot find a receipt of ${id}: ${cause}`, {
    hint: 'Name a sandbox id, or a file that holds a receipt.',
  });
}

function parsed(file: string, text: string): Receipt {
  try {
    return Holder.parse(JSON.parse(text));
  } catch {
    throw new SandboxError('INVALID_REQUEST', `Cannot read ${file}: it holds no receipt`);
  }
}

/** Names and values, indented; what a tenant chose is escaped. */
function outlined(value: unknown, depth = 0): string {
  const indent = '  '.repeat(depth);
  if (Array.isArray(value)) return value.map((each) => `${indent}- ${flat(each)}\n`).join('');
  if (typeof value !== 'object' || value === null) return `${indent}${flat(value)}\n`;
  return Object.entries(value)
    .filter(([name]) => name !== 'points')
    .map(([name, each]) => {
      const isNested = typeof each === 'object' && each !== null && Object.keys(each as object).length > 0;
      return `${indent}${escapeText(name)}:${isNested ? `\n${outlined(each, depth + 1)}` : ` ${flat(each)}\n`}`;
    })
    .join('');
}

const flat = (value: unknown): string => escapeText(typeof value === 'string' ? value : JSON.stringify(value ?? null));
