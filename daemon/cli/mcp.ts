// `cloister mcp`: an MCP server on stdin and stdout, over one session of the daemon.

import { StdioServerTransport } from '@modelcontextprotocol/server/stdio';
import type { Command } from 'commander';
import type { CliContext } from '../../client/cli/index.ts';
import { createMcpSession } from '../mcp/mcp-server.ts';
import { openOptionsOf } from '../mcp/open-options.ts';
import { systemClock } from '../observe/clock.ts';
import type { CliProcess } from './context.ts';

interface McpFlags {
  readonly session?: string;
  readonly image?: string;
  readonly profile?: string;
  readonly allow: readonly string[];
  readonly join?: boolean;
  readonly keep?: boolean;
}

export function addMcpCommand(program: Command, cli: CliProcess, context: CliContext): void {
  program
    .command('mcp')
    .description('MCP server on stdin and stdout, over one session')
    .option('--session <name>', 'session to open; its workspace is kept (default: a new one, deleted afterwards)')
    .option('--image <name>', 'image of the allowlist')
    .option('--profile <name>', 'what the sandbox may do')
    .option(
      '--allow <host>',
      'host that commands may reach; repeatable; selects profile workspace-write',
      (host, all: readonly string[]) => [...all, host],
      [],
    )
    .option('--join', 'join the session beside its controller instead of controlling it')
    .option('--keep', 'leave the sandbox open at the end')
    .action(async (flags: McpFlags) => {
      const target = openOptionsOf(flags);
      const { server, sandbox } = createMcpSession({
        open: target.open,
        atEnd: flags.keep === true ? 'leave' : target.atEnd,
        connect: (onConfirm) => context.connect({ onConfirm }),
        version: cli.version,
        clock: systemClock,
        onFailure: (tool, error) => void cli.err.write(`cloister: tool ${tool} failed: ${String(error)}\n`),
      });
      const ended = new Promise<void>((resolve) => {
        // oxlint-disable-next-line unicorn/prefer-add-event-listener -- the SDK's server is no EventTarget
        server.server.onclose = resolve;
      });
      const off = context.onSignal(() => void server.close());
      try {
        await server.connect(new StdioServerTransport(cli.stdin, cli.out));
        await ended;
      } finally {
        off();
        await sandbox.end();
      }
    });
}
