// `cloister audit verify`: is the chain of the audit log whole? Works offline on the state directory.

import type { Command } from 'commander';
import type { CliContext } from '../../client/cli/index.ts';
import { loadConfig } from '../load-config.ts';
import { verifyAuditLog } from '../observe/audit-verify.ts';
import { auditPathOf } from '../state-dir.ts';
import type { CliProcess } from './context.ts';

export function addAuditCommand(program: Command, cli: CliProcess, context: CliContext): void {
  program
    .command('audit')
    .description('the audit log')
    .command('verify')
    .description('check the chain of hashes; exit 1 at the first broken link')
    .option('--state-dir <dir>', 'state directory of the daemon')
    .action(async (options: { stateDir?: string }) => {
      const config = loadConfig({ file: cli.env['CLOISTER_CONFIG'], env: cli.env, options: { stateDir: options.stateDir } });
      const path = config.audit.file ?? auditPathOf(config.stateDir);
      const result = await verifyAuditLog(path);
      const text =
        result.verdict === 'holds'
          ? `${path}: ${result.records} records, the chain holds`
          : `${path}: line ${result.line}: ${result.reason}`;
      cli.out.write(`${context.json ? JSON.stringify(result) : text}\n`);
      if (result.verdict === 'broken') context.exit(1);
    });
}
