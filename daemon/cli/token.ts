// `cloister token`: make, revoke, rotate. With --url over the API, from the token one holds; else on the state directory, where
// the key is: through the daemon that lives there, so that it is on record, or by ourselves if there is none.

import type { Command } from 'commander';
import type { CliContext } from '../../client/cli/index.ts';
import { parseDuration } from '../../client/cli/duration.ts';
import { SandboxError } from '../../client/protocol/errors.ts';
import { z } from 'zod';
import { KeyRing } from '../auth/key-ring.ts';
import { NarrowRequest } from '../auth/narrow.ts';
import { RevocationList } from '../auth/revocation.ts';
import { mintToken } from '../auth/token.ts';
import type { Config } from '../config.ts';
import { loadConfig } from '../load-config.ts';
import type { AuditEntry } from '../observe/audit-log.ts';
import { systemClock } from '../observe/clock.ts';
import { isStateDirLocked, lockStateDir } from '../observe/state-lock.ts';
import { openAudit } from '../open-audit.ts';
import { tokenKeyPathOf } from '../open-auth.ts';
import { prepareStateDir, revokedPathOf } from '../state-dir.ts';
import type { CliProcess } from './context.ts';
import { daemonFetch, type DaemonTarget, localDaemon, request } from './daemon-http.ts';

interface CreateOptions extends DaemonTarget {
  readonly tenant?: string;
  readonly role?: string;
  readonly session?: string;
  readonly sessions?: string;
  readonly readOnly?: boolean;
  readonly ttl: string;
  readonly maxSandboxes?: string;
  readonly maxMemoryBytes?: string;
  readonly stateDir?: string;
}

const Made = z.object({ token: z.string(), tokenId: z.string(), expiresAt: z.string() });

export function addTokenCommand(program: Command, cli: CliProcess, context: CliContext): void {
  const token = program.command('token').description('make tokens, end them, replace their key');
  const stateDir = (command: Command): Command => command.option('--state-dir <dir>', 'state directory of the daemon');
  stateDir(
    token
      .command('create')
      .description('print a token; with --url one that is narrower than the one that is passed')
      .option('--tenant <name>', 'whom the token is for; only an operator may go without')
      .option('--role <role>', 'tenant, observer or operator')
      .option('--session <name>', 'narrow it to one session')
      .option('--sessions <pattern>', 'narrow it to sessions whose name begins so: build-*')
      .option('--read-only', 'no commands, no writing')
      .option('--max-sandboxes <count>', 'sandboxes at once at most')
      .option('--max-memory-bytes <bytes>', 'memory of a sandbox at most')
      .option('--ttl <duration>', 'how long it is valid', '12h'),
  ).action(async (_options: CreateOptions, command: Command) => {
    const options = command.optsWithGlobals<CreateOptions>();
    const made = await create(cli, options);
    cli.out.write(`${context.json ? JSON.stringify(made) : made.token}\n`);
  });
  stateDir(
    token
      .command('revoke')
      .argument('<id>', 'tokenId, as in the audit log')
      .description('honour a token no more, nor any that was narrowed from it'),
  ).action(async (id: string, _options: object, command: Command) => {
    const options = command.optsWithGlobals<CreateOptions>();
    const path = `/v1/tokens/${encodeURIComponent(id)}`;
    await throughOrAlone(cli, options, path, { method: 'DELETE' }, async (config) => {
      await new RevocationList(revokedPathOf(config.stateDir)).revoke(id, Date.now() + 367 * 86_400_000, Date.now());
      return { kind: 'token.revoke', tokenId: id, by: 'cli' };
    });
  });
  stateDir(
    token
      .command('rotate')
      .description('sign with a new key')
      .option('--grace <duration>', 'how long tokens of the old key are valid yet; 0s: not any more', '24h'),
  ).action(async (given: { grace: string }, command: Command) => {
    const options = command.optsWithGlobals<CreateOptions>();
    const graceMs = /^0+[a-z]*$/.test(given.grace) ? 0 : parseDuration(given.grace);
    await throughOrAlone(cli, options, '/v1/tokens/rotate', { method: 'POST', body: JSON.stringify({ graceMs }) }, async (config) => {
      const keys = await KeyRing.open(tokenKeyPathOf(config));
      const formerKey = keys.current.id;
      await keys.rotate(graceMs, Date.now());
      return { kind: 'token.rotate', formerKey, graceMs, by: 'cli' };
    });
  });
}

async function create(cli: CliProcess, options: CreateOptions): Promise<z.infer<typeof Made>> {
  const isRemote = (options.url ?? cli.env['CLOISTER_URL']) !== undefined && options.stateDir === undefined;
  const ttlMs = parseDuration(options.ttl);
  const ceilings = {
    ...(options.maxSandboxes === undefined ? {} : { sandboxes: Number(options.maxSandboxes) }),
    ...(options.maxMemoryBytes === undefined ? {} : { memoryBytes: Number(options.maxMemoryBytes) }),
  };
  const asked = NarrowRequest.safeParse({
    ...(options.tenant === undefined ? {} : { tenant: options.tenant }),
    ...(options.role === undefined ? (isRemote ? {} : { role: 'tenant' }) : { role: options.role }),
    ...(options.session === undefined ? {} : { session: options.session }),
    ...(options.sessions === undefined ? {} : { sessions: options.sessions }),
    ...(options.readOnly === true ? { readOnly: true } : {}),
    ...(Object.keys(ceilings).length === 0 ? {} : { ceilings }),
    ttlMs,
  });
  if (!asked.success) {
    const [issue] = asked.error.issues;
    throw new SandboxError('INVALID_REQUEST', `Cannot use --${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'invalid'}`);
  }
  if (isRemote) {
    const response = await daemonFetch(cli, options, '/v1/tokens', { method: 'POST', body: JSON.stringify(asked.data) });
    return Made.parse(await response.json());
  }
  const config = configOf(cli, options);
  await prepareStateDir(config.stateDir);
  const own = (await isStateDirLocked(config.stateDir)) ? await localDaemon(config, ttlMs + 60_000) : null;
  if (own !== null) {
    try {
      const response = await request(own.url, own.token, '/v1/tokens', { method: 'POST', body: JSON.stringify(asked.data) });
      return Made.parse(await response.json());
    } catch (error) {
      if (!SandboxError.is(error, 'SHUTTING_DOWN')) throw error;
      cli.err.write(`cloister: the daemon does not answer; its audit log will not show this token\n`);
    }
  }
  const { tenant, role = 'tenant', session, sessions, readOnly, ceilings: most } = asked.data;
  const keys = await KeyRing.open(tokenKeyPathOf(config));
  const { token, principal } = await mintToken(
    keys,
    { tenant: tenant ?? null, role, session: session ?? null, sessions, isReadOnly: readOnly === true, ceilings: most, ttlMs },
    Date.now(),
  );
  const expiresAt = new Date(principal.expiresAt).toISOString();
  if (own === null)
    await record(cli, config, {
      kind: 'token.create',
      by: 'cli',
      tokenId: principal.tokenId,
      tenant: tenant ?? null,
      role,
      session,
      sessions,
      readOnly: readOnly === true,
      ceilings: most,
      expiresAt,
    });
  return { token, tokenId: principal.tokenId, expiresAt };
}

/** By the daemon, if there is one; else by ourselves, with a record in its log. */
async function throughOrAlone(
  cli: CliProcess,
  options: CreateOptions,
  path: string,
  init: RequestInit,
  alone: (config: Config) => Promise<AuditEntry>,
): Promise<void> {
  if ((options.url ?? cli.env['CLOISTER_URL']) !== undefined && options.stateDir === undefined) {
    await daemonFetch(cli, options, path, init);
    return;
  }
  const config = configOf(cli, options);
  await prepareStateDir(config.stateDir);
  if (await isStateDirLocked(config.stateDir)) {
    const own = await localDaemon(config, 60_000);
    if (own === null) throw new SandboxError('SHUTTING_DOWN', `Cannot ask the daemon on ${config.stateDir}: it is starting or stopping`);
    await request(own.url, own.token, path, init);
    return;
  }
  await record(cli, config, await alone(config));
}

async function record(cli: CliProcess, config: Config, entry: AuditEntry): Promise<void> {
  const lock = await lockStateDir(config.stateDir);
  const log = cli.createLog('warn');
  const opened = await openAudit({ config, stateDir: config.stateDir, version: cli.version, clock: systemClock, log });
  opened.audit.append(entry);
  await opened.stop();
  await lock.release();
}

const configOf = (cli: CliProcess, options: CreateOptions): Config =>
  loadConfig({ file: cli.env['CLOISTER_CONFIG'], env: cli.env, options: { stateDir: options.stateDir } });
