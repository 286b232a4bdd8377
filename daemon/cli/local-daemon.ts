// A connection without --url: to the daemon on the local state directory, or to one started for this command alone.
// Only for whoever may read the signing key, which is root.

import { Cloister, type ConnectOptions } from '../../client/index.ts';
import { SandboxError } from '../../client/protocol/errors.ts';
import { TenantName } from '../../client/protocol/names.ts';
import { z } from 'zod';
import { KeyRing } from '../auth/key-ring.ts';
import { createToken } from '../auth/token.ts';
import { type Config } from '../config.ts';
import { loadConfig } from '../load-config.ts';
import { readJsonFile } from '../observe/atomic-file.ts';
import { isStateDirLocked } from '../observe/state-lock.ts';
import { tokenKeyPathOf } from '../open-auth.ts';
import { addressPathOf, prepareStateDir } from '../state-dir.ts';
import type { CliProcess } from './context.ts';

const LOCAL_TENANT = TenantName.parse('local');
const TOKEN_TTL_MS = 24 * 3_600_000;
const Address = z.object({ url: z.string() });

export interface LocalConnection {
  readonly cloister: Cloister;
  /** Ends the daemon if it was started for this command. */
  stop(): Promise<void>;
}

type Given = { readonly url: string | undefined; readonly token: string | undefined } & Pick<ConnectOptions, 'onConfirm'>;

export async function connectLocally(cli: CliProcess, given: Given): Promise<LocalConnection> {
  const { url, token, onConfirm } = given;
  if (url !== undefined && token !== undefined)
    return { cloister: await Cloister.connect({ url, token, onConfirm }), stop: async () => undefined };
  if (url !== undefined)
    throw new SandboxError('UNAUTHENTICATED', 'Cannot connect: no token was given', { hint: 'Pass --token or set CLOISTER_TOKEN.' });
  if (!cli.isRoot)
    throw new SandboxError('UNAUTHENTICATED', 'Cannot connect: no address was given', {
      hint: "Pass --url and --token, set CLOISTER_URL and CLOISTER_TOKEN, or run as root on the daemon's host.",
    });
  const config = loadConfig({ file: cli.env['CLOISTER_CONFIG'], env: cli.env, options: {} });
  await prepareStateDir(config.stateDir);
  return (await isStateDirLocked(config.stateDir)) ? joinDaemon(config, given) : startPrivately(cli, config, given);
}

async function joinDaemon(config: Config, { token, onConfirm }: Given): Promise<LocalConnection> {
  const address = await readJsonFile(addressPathOf(config.stateDir), Address);
  if (address === undefined)
    throw new SandboxError('SHUTTING_DOWN', `Cannot connect: the daemon on ${config.stateDir} is starting or stopping`);
  return {
    cloister: await Cloister.connect({ url: address.url, token: token ?? (await localToken(config)), onConfirm }),
    stop: async () => undefined,
  };
}

async function startPrivately(cli: CliProcess, config: Config, { onConfirm }: Given): Promise<LocalConnection> {
  // The state directory is the usual one, so named workspaces and the imported image are there the next time.
  // Loaded here: most verbs do without it, and it takes most of the time that loading takes.
  const { startDaemon } = await import('../daemon.ts');
  const daemon = await startDaemon(
    { ...config, listen: '127.0.0.1:0' },
    {
      log: cli.createLog('warn'),
      dockerHost: cli.env['DOCKER_HOST'],
      packageRoot: cli.packageRoot,
      version: cli.version,
      arch: cli.arch,
    },
  );
  try {
    const cloister = await Cloister.connect({ url: daemon.url, token: await localToken(config), onConfirm });
    return { cloister, stop: () => daemon.stop('close') };
  } catch (error) {
    await daemon.stop('close');
    throw error;
  }
}

async function localToken(config: Config): Promise<string> {
  const keys = await KeyRing.open(tokenKeyPathOf(config));
  return createToken(keys, { tenant: LOCAL_TENANT, role: 'operator', session: null, isReadOnly: false, ttlMs: TOKEN_TTL_MS }, Date.now());
}
