// `cloister audit`: the records a token may see; `audit verify`: is the chain whole? The latter works offline on the state directory.

import type { Command } from 'commander';
import type { CliContext } from '../../client/cli/index.ts';
import { escapeText } from '../../client/cli/escape-text.ts';
import { loadSigningKeys } from '../auth/signing-keys.ts';
import { loadConfig } from '../load-config.ts';
import { verifyAuditLog } from '../observe/audit-verify.ts';
import { auditKeyPathOf, auditPathOf } from '../state-dir.ts';
import type { CliProcess } from './context.ts';
import { daemonFetch } from './daemon-http.ts';

interface QueryOptions {
  readonly tenant?: string;
  readonly session?: string;
  readonly sandbox?: string;
  readonly call?: string;
  readonly kind?: string;
  readonly label?: string;
  readonly since?: string;
  readonly until?: string;
  readonly limit?: string;
  readonly follow?: boolean;
}

export function addAuditCommand(program: Command, cli: CliProcess, context: CliContext): void {
  const audit = program
    .command('audit')
    .description('the audit log')
    .option('--tenant <name>', 'records of one tenant')
    .option('--session <name>', 'of one session')
    .option('--sandbox <id>', 'of one sandbox')
    .option('--call <id>', 'of one command, file call or confirmation')
    .option('--kind <kinds>', 'of these kinds, separated by commas; exec.* is all that begin so')
    .option('--label <labels>', 'with these labels: NAME=VALUE, separated by commas')
    .option('--since <time>', 'since a time, or for so long: 30m, 1h, 7d')
    .option('--until <time>', 'until a time')
    .option('--limit <count>', 'records at most')
    .option('--follow', 'go on with what comes')
    .action(async (options: QueryOptions, command: Command) => {
      const query = new URLSearchParams();
      for (const name of ['tenant', 'session', 'sandbox', 'call', 'kind', 'label', 'since', 'until', 'limit'] as const) {
        const value = options[name];
        if (value !== undefined) query.set(name, value);
      }
      if (options.follow === true) query.set('follow', '1');
      const stop = new AbortController();
      const off = cli.onSignal(() => stop.abort());
      try {
        const response = await daemonFetch(cli, command.optsWithGlobals(), `/v1/audit?${query.toString()}`, { signal: stop.signal });
        const decoder = new TextDecoder();
        // Records hold what tenants chose: JSON escapes most control characters, this the rest that a terminal would obey.
        for await (const part of (response.body ?? []) as AsyncIterable<Uint8Array>) {
          const lines = decoder.decode(part, { stream: true }).split('\n');
          cli.out.write((context.json ? lines : lines.map(escapeText)).join('\n'));
        }
      } catch (error) {
        if (!stop.signal.aborted) throw error;
      } finally {
        off();
      }
    });
  audit
    .command('verify')
    .description('check the chain of hashes and its signed head; exit 1 at the first broken link or a missing tail')
    .option('--state-dir <dir>', 'state directory of the daemon')
    .action(async (options: { stateDir?: string }) => {
      const config = loadConfig({ file: cli.env['CLOISTER_CONFIG'], env: cli.env, options: { stateDir: options.stateDir } });
      const path = config.audit.file ?? auditPathOf(config.stateDir);
      const { publicKey } = await loadSigningKeys(auditKeyPathOf(config.stateDir));
      const result = await verifyAuditLog(path, publicKey);
      const text =
        result.verdict === 'holds'
          ? `${path}: ${result.records} records, the chain holds${result.pruned > 0 ? `; ${result.pruned} older ones were pruned` : ''}`
          : `${result.file}: line ${result.line}: ${result.reason}`;
      cli.out.write(`${context.json ? JSON.stringify(result) : text}\n`);
      if (result.verdict === 'broken') context.exit(1);
    });
}
