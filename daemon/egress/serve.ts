// One connection of a sandbox: reads request after request, each judged on its own, and hands it to its protocol.

import type { Socket } from 'node:net';
import { denialAnswer } from './answer.ts';
import { parseHttpTarget, parseTunnelTarget, type Target } from './authority.ts';
import { endSoon } from './end-soon.ts';
import { forward } from './forward.ts';
import { execIdOf, isHostSaid, wishOf } from './http-fields.ts';
import type { KeptServer } from './kept-server.ts';
import { readHead } from './read-head.ts';
import { readUntil } from './read-until.ts';
import type { HeadProblem, RequestHead } from './request-head.ts';
import type { SandboxPort } from './sandbox-port.ts';
import { isSocksGreeting, serveSocks } from './socks.ts';
import { tunnel } from './tunnel.ts';
import { deny, type Verdict } from './verdict.ts';

export async function serve(socket: Socket, port: SandboxPort): Promise<void> {
  const kept = port.keptServer(socket);
  for (;;) {
    // Between requests a connection may rest; once a head has begun it has to come.
    const isSocks = await readUntil(socket, (bytes) => ({ value: isSocksGreeting(bytes), used: 0 }), null);
    if (isSocks === true) return serveSocks(socket, port);
    const head = isSocks === false ? await readHead(socket) : null;
    if (head === null) return void socket.destroy();
    if ('rule' in head) return refuseHead(socket, port, head);
    if (!(await serveRequest(socket, port, head, kept))) return endSoon(socket);
  }
}

/** True: another request may follow. */
async function serveRequest(socket: Socket, port: SandboxPort, head: RequestHead, kept: KeptServer): Promise<boolean> {
  const execId = execIdOf(head);
  const { method, target: text } = head;
  const what = `${method} ${text}`;
  const refuse = (status: number, verdict: Verdict, target: Target | null): false => {
    const attempt = port.attempt({ target, text, method, path: null, execId, client: socket });
    attempt.judged(verdict);
    attempt.finish();
    socket.write(denialAnswer({ status, verdict, what, isLast: true, hasBody: method !== 'HEAD' }), 'latin1');
    return false;
  };
  if (!port.takeToken()) {
    socket.write(
      denialAnswer({
        status: 429,
        verdict: deny('limitReached', 'builtin:requestsPerSecond'),
        what,
        isLast: true,
        hasBody: method !== 'HEAD',
      }),
      'latin1',
    );
    return false;
  }
  if (method === 'CONNECT') {
    const target = parseTunnelTarget(text);
    if (target === null) return refuse(400, deny('unparseable', 'builtin:grammar'), null);
    if (!isHostSaid(head, target, 443)) return refuse(400, deny('badRequest', 'builtin:http:host'), target);
    const misdirected = port.judgePlaceholders(head, null);
    if (misdirected !== null) return refuse(403, misdirected, target);
    await tunnel(socket, port, {
      attempt: port.attempt({ target, text, method, path: null, execId, client: socket }),
      accept: () => socket.write('HTTP/1.1 200 Connection Established\r\n\r\n'),
      refuse: (status, verdict) => socket.write(denialAnswer({ status, verdict, what, isLast: true, hasBody: true }), 'latin1'),
    });
    return false;
  }
  const parsed = parseHttpTarget(text);
  if (parsed === null) return refuse(400, deny('unparseable', 'builtin:grammar'), null);
  const target = { ...parsed, request: wishOf(head, parsed.path) };
  if (!isHostSaid(head, target, 80)) return refuse(400, deny('badRequest', 'builtin:http:host'), target);
  return forward(socket, port, head, target, port.attempt({ target, text, method, path: target.path, execId, client: socket }), kept);
}

function refuseHead(socket: Socket, port: SandboxPort, problem: HeadProblem): void {
  const verdict = deny(problem.reason, problem.rule);
  const attempt = port.attempt({ target: null, text: '', method: null, path: null, execId: null, client: socket });
  attempt.judged(verdict);
  attempt.finish();
  socket.write(denialAnswer({ status: problem.status, verdict, what: 'the request', isLast: true, hasBody: true }), 'latin1');
  endSoon(socket);
}
