// Plain HTTP to the daemon: the one that --url names, or the one that lives on the local state directory.

import { SandboxError } from '../../client/protocol/errors.ts';
import { ErrorBody } from '../../client/protocol/requests.ts';
import { KeyRing } from '../auth/key-ring.ts';
import { createToken } from '../auth/token.ts';
import type { Config } from '../config.ts';
import { loadConfig } from '../load-config.ts';
import { readJsonFile } from '../observe/atomic-file.ts';
import { tokenKeyPathOf } from '../open-auth.ts';
import { addressPathOf } from '../state-dir.ts';
import { z } from 'zod';
import type { CliProcess } from './context.ts';

const Address = z.object({ url: z.string() });
const Refusal = ErrorBody.pick({ code: true, message: true, hint: true }).partial({ hint: true });
const OWN_TTL_MS = 3_600_000;

export interface DaemonTarget {
  readonly url?: string;
  readonly token?: string;
}

/** What the answer says if it is none of 2xx is thrown as it came. */
export async function daemonFetch(cli: CliProcess, target: DaemonTarget, path: string, init: RequestInit = {}): Promise<Response> {
  const url = target.url ?? cli.env['CLOISTER_URL'];
  const token = target.token ?? cli.env['CLOISTER_TOKEN'];
  if (url !== undefined) return request(url, token ?? '', path, init);
  const config = loadConfig({ file: cli.env['CLOISTER_CONFIG'], env: cli.env, options: {} });
  const own = await localDaemon(config, OWN_TTL_MS);
  if (own === null)
    throw new SandboxError('SHUTTING_DOWN', `Cannot connect: no daemon lives on ${config.stateDir}`, {
      hint: 'Pass --url and --token, or start it.',
    });
  return request(own.url, token ?? own.token, path, init);
}

/** The daemon on a state directory, with an operator's token for it; null: there is none. */
export async function localDaemon(config: Config, ttlMs: number): Promise<{ readonly url: string; readonly token: string } | null> {
  const address = await readJsonFile(addressPathOf(config.stateDir), Address);
  if (address === undefined) return null;
  const keys = await KeyRing.open(tokenKeyPathOf(config));
  return {
    url: address.url,
    token: await createToken(keys, { tenant: null, role: 'operator', session: null, isReadOnly: false, ttlMs }, Date.now()),
  };
}

export async function request(url: string, token: string, path: string, init: RequestInit): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(new URL(path, url.replace(/^ws/, 'http')), {
      ...init,
      redirect: 'error',
      headers: { authorization: `Bearer ${token}`, ...(init.body === undefined ? {} : { 'content-type': 'application/json' }) },
    });
  } catch (cause) {
    if (init.signal?.aborted === true) throw cause;
    throw new SandboxError('SHUTTING_DOWN', `Cannot connect to ${url}: ${String((cause as { cause?: unknown }).cause ?? cause)}`, {
      cause,
    });
  }
  if (response.ok) return response;
  const refusal = Refusal.safeParse(await response.json().catch(() => null));
  if (!refusal.success) throw new SandboxError('INTERNAL', `Cannot ask the daemon: it answered ${response.status}`);
  throw new SandboxError(refusal.data.code, refusal.data.message, { hint: refusal.data.hint ?? '' });
}
