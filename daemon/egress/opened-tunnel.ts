// A tunnel whose TLS is opened, because a rule or a secret needs to see its requests. Each is judged on its own and sent on
// over TLS of our own; owns the loop, forward.ts each exchange.

import type { Socket } from 'node:net';
import { denialAnswer } from './answer.ts';
import type { Attempt } from './attempt.ts';
import { type HttpTarget, isPath, type Target } from './authority.ts';
import { endSoon } from './end-soon.ts';
import { forward } from './forward.ts';
import { isHostSaid, wishOf } from './http-fields.ts';
import { openTowardsSandbox } from './opened-tls.ts';
import type { KeptServer } from './kept-server.ts';
import { readHead } from './read-head.ts';
import { readUntil } from './read-until.ts';
import type { RequestHead } from './request-head.ts';
import type { SandboxPort } from './sandbox-port.ts';
import { deny, type Verdict } from './verdict.ts';

const HTTPS_PORT = 443;

/** `attempt` is the tunnel's own, judged already; its server name as well. */
export async function serveOpened(client: Socket, port: SandboxPort, target: Target, attempt: Attempt): Promise<void> {
  const context = await port.leaf(target.host.text);
  if (context === null) {
    attempt.judged({ ...deny('unreachable', 'builtin:tls:noCertificate'), verdict: 'allow' });
    return void client.destroy();
  }
  const notTrusted = (): void => {
    attempt.carries(false);
    attempt.judged({ ...deny('notTrusted', attempt.verdict?.rule ?? ''), verdict: 'allow' });
  };
  const secure = await openTowardsSandbox(client, context);
  if (secure === null) return notTrusted();
  attempt.carries(true);
  const isClosed = new Promise<void>((resolve) => secure.once('close', resolve));
  secure.setTimeout(port.limits.idleMs, () => secure.destroy());
  const kept = port.keptServer(secure);
  for (let requests = 0; ; requests += 1) {
    // Between requests it may rest.
    const hasMore = await readUntil(secure, () => ({ value: true, used: 0 }), null);
    const head = hasMore === true ? await readHead(secure) : null;
    if (head === null) {
      // Some clients look at the certificate when the handshake is over.
      if (requests === 0) notTrusted();
      return void secure.destroy();
    }
    const mayFollow =
      'rule' in head
        ? refuse(secure, port, attempt, head.status, deny(head.reason, head.rule), null)
        : await serveRequest({ secure, port, head, tunnel: target, carrier: attempt, kept });
    if (mayFollow) continue;
    endSoon(secure);
    // What is below it must not be ended before its last bytes are out.
    return isClosed;
  }
}

interface OpenedRequest {
  readonly secure: Socket;
  readonly port: SandboxPort;
  readonly head: RequestHead;
  readonly tunnel: Target;
  readonly carrier: Attempt;
  readonly kept: KeptServer;
}

async function serveRequest({ secure, port, head, tunnel, carrier, kept }: OpenedRequest): Promise<boolean> {
  const refused = (status: number, verdict: Verdict): boolean => refuse(secure, port, carrier, status, verdict, head);
  if (!port.takeToken()) return refused(429, deny('limitReached', 'builtin:requestsPerSecond'));
  if (head.method === 'CONNECT' || !isPath(head.target)) return refused(400, deny('unparseable', 'builtin:grammar'));
  if (!isHostSaid(head, tunnel, HTTPS_PORT)) return refused(400, deny('badRequest', 'builtin:http:host'));
  const target: HttpTarget = { ...tunnel, path: head.target, request: wishOf(head, head.target) };
  const attempt = port.attempt({
    target,
    text: head.target,
    method: head.method,
    path: head.target,
    execId: carrier.execId,
    client: secure,
    // Whoever confirmed the tunnel has confirmed what it is for.
    ...(carrier.verdict?.reason === 'confirmed' ? { confirmedRule: carrier.verdict.rule } : {}),
  });
  return forward(secure, port, head, target, attempt, kept);
}

function refuse(secure: Socket, port: SandboxPort, carrier: Attempt, status: number, verdict: Verdict, head: RequestHead | null): false {
  const { target, execId } = carrier;
  const what = head === null ? 'the request' : `${head.method} ${head.target.split('?')[0] ?? ''}`;
  if (verdict.reason !== 'limitReached') {
    const attempt = port.attempt({ target, text: what, method: head?.method ?? null, path: null, execId, client: secure });
    attempt.judged(verdict);
    attempt.finish();
  }
  secure.write(denialAnswer({ status: status, verdict, what, isLast: true, hasBody: head?.method !== 'HEAD' }), 'latin1');
  return false;
}
