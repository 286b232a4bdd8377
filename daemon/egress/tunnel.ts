// A tunnel: CONNECT and SOCKS alike. On port 443 the first bytes must be TLS and name the very host that was judged,
// before anything is dialled; where rules or secrets need to see requests it is opened. On ports that the policy names, other protocols pass, but TLS that names another host does not.

import type { Socket } from 'node:net';
import { statusOf } from './answer.ts';
import type { Attempt } from './attempt.ts';
import type { Target } from './authority.ts';
import { type HelloReading, readClientHello } from './client-hello.ts';
import { readUntil } from './read-until.ts';
import { serveOpened } from './opened-tunnel.ts';
import type { SandboxPort } from './sandbox-port.ts';
import { pump } from './splice.ts';
import { deny, type Verdict } from './verdict.ts';

const HELLO_TIMEOUT_MS = 5_000;
const TLS_PORT = 443;
const TLS_HANDSHAKE = 22;
/** Fatal alert access_denied: TLS clients say it, instead of an unexplained end. */
const ACCESS_DENIED = Buffer.from([21, 3, 1, 0, 2, 2, 49]);

export interface TunnelOptions {
  readonly attempt: Attempt;
  /** Says that bytes may flow. */
  readonly accept: () => void;
  readonly refuse: (status: number, verdict: Verdict) => void;
}

export async function tunnel(client: Socket, port: SandboxPort, options: TunnelOptions): Promise<void> {
  const { attempt, accept, refuse } = options;
  try {
    const { target } = attempt;
    const admission = await port.admit(attempt);
    if (admission.verdict.verdict !== 'allow' || target === null) return refuse(statusOf(admission.verdict), admission.verdict);
    const isOpened = port.opens(target);
    const mustBeTls = isOpened || target.port === TLS_PORT;
    if (mustBeTls) {
      accept();
      const verdict = await judgeFirstBytes(client, target, HELLO_TIMEOUT_MS);
      if (verdict !== null) return cut(client, attempt, verdict);
    }
    if (isOpened) return await serveOpened(client, port, target, attempt);
    const upstream = await port.dial(attempt, admission, client);
    if (upstream === null) return mustBeTls ? void client.destroy() : refuse(502, attempt.verdict ?? admission.verdict);
    if (!mustBeTls) accept();
    const down = pump(upstream, client, (bytes) => port.meter(attempt, 0, bytes));
    const verdict = mustBeTls ? null : await judgeFirstBytes(client, target, null);
    if (verdict !== null) {
      upstream.destroy();
      return cut(client, attempt, verdict);
    }
    await Promise.all([down, pump(client, upstream, (bytes) => port.meter(attempt, bytes, 0))]);
  } finally {
    attempt.finish();
  }
}

/** null: they may pass. Without a time limit anything but TLS may. */
async function judgeFirstBytes(client: Socket, target: Target, timeoutMs: number | null): Promise<Verdict | null> {
  const mustBeTls = timeoutMs !== null;
  const reading = await readUntil<HelloReading | 'other'>(
    client,
    (bytes) => {
      if (!mustBeTls && bytes[0] !== TLS_HANDSHAKE) return { value: 'other', used: 0 };
      const hello = readClientHello(bytes);
      return hello.kind === 'more' ? null : { value: hello, used: 0 };
    },
    timeoutMs,
  );
  if (reading === null) return mustBeTls ? deny('notTls', 'builtin:tls:noHello') : null;
  if (reading === 'other') return null;
  if (reading === 'timeout') return deny('notTls', 'builtin:tls:noHello');
  if (reading.kind === 'notTls') return mustBeTls ? deny('notTls', 'builtin:tls:notHello') : null;
  const { serverName } = reading.kind === 'hello' ? reading : { serverName: null };
  // A client that connects to an address has no name to say; one that says a name wants somebody else.
  const isSame = target.host.kind === 'address' ? serverName === null : serverName?.toLowerCase() === target.host.text;
  if (isSame) return null;
  return deny('nameMismatch', `builtin:tls:serverName:${serverName ?? 'none'}`);
}

function cut(client: Socket, attempt: Attempt, verdict: Verdict): void {
  attempt.judged(verdict);
  client.end(ACCESS_DENIED);
  client.resume();
}
