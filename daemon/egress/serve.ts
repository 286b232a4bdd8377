// One connection of a sandbox: reads request after request, each judged on its own, and hands it to its protocol.

import type { Socket } from 'node:net';
import { denialAnswer } from './answer.ts';
import { parseHostHeader, parseHttpTarget, parseTunnelTarget, type Target } from './authority.ts';
import { forward } from './forward.ts';
import { execIdOf } from './http-fields.ts';
import { readUntil } from './read-until.ts';
import { findHeadEnd, type HeadProblem, parseHead, type RequestHead, valuesOf } from './request-head.ts';
import type { SandboxPort } from './sandbox-port.ts';
import { isSocksGreeting, serveSocks } from './socks.ts';
import { tunnel } from './tunnel.ts';
import { deny, type Verdict } from './verdict.ts';

const HEAD_TIMEOUT_MS = 10_000;
const LINGER_MS = 2_000;

type Next =
  | { readonly kind: 'socks' }
  | { readonly kind: 'head'; readonly bytes: Buffer }
  | { readonly kind: 'problem'; readonly problem: HeadProblem };

export async function serve(socket: Socket, port: SandboxPort): Promise<void> {
  for (;;) {
    // Between requests a connection may rest; once a head has begun it has to come.
    const first = await readUntil(socket, (bytes) => ({ value: isSocksGreeting(bytes), used: 0 }), null);
    if (first === null || first === 'timeout') return void socket.destroy();
    if (first) return serveSocks(socket, port);
    const next = await readUntil(socket, nextOf, HEAD_TIMEOUT_MS);
    if (next === null || next === 'timeout' || next.kind === 'socks') return void socket.destroy();
    const head = next.kind === 'head' ? parseHead(next.bytes) : next.problem;
    if ('rule' in head) return refuseHead(socket, port, head);
    if (!(await serveRequest(socket, port, head))) return endSoon(socket);
  }
}

function nextOf(bytes: Buffer): { readonly value: Next; readonly used: number } | null {
  const end = findHeadEnd(bytes);
  if (end === null) return null;
  return typeof end === 'number'
    ? { value: { kind: 'head', bytes: bytes.subarray(0, end) }, used: end }
    : { value: { kind: 'problem', problem: end }, used: bytes.length };
}

/** True: another request may follow. */
async function serveRequest(socket: Socket, port: SandboxPort, head: RequestHead): Promise<boolean> {
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
    await tunnel(socket, port, {
      attempt: port.attempt({ target, text, method, path: null, execId, client: socket }),
      accept: () => socket.write('HTTP/1.1 200 Connection Established\r\n\r\n'),
      refuse: (status, verdict) => socket.write(denialAnswer({ status, verdict, what, isLast: true, hasBody: true }), 'latin1'),
    });
    return false;
  }
  const target = parseHttpTarget(text);
  if (target === null) return refuse(400, deny('unparseable', 'builtin:grammar'), null);
  if (!isHostSaid(head, target, 80)) return refuse(400, deny('badRequest', 'builtin:http:host'), target);
  return forward(socket, port, head, target, port.attempt({ target, text, method, path: target.path, execId, client: socket }));
}

/** Exactly one Host, and it says what the request line says; only HTTP/1.0 tunnels have none. */
function isHostSaid(head: RequestHead, target: Target, usualPort: number): boolean {
  const hosts = valuesOf(head, 'host');
  if (hosts.length === 0) return head.isHttp10;
  const [text = ''] = hosts;
  const said = hosts.length === 1 ? parseHostHeader(text) : null;
  if (said === null || said.host.text !== target.host.text) return false;
  const hasPort = /:\d+$/.test(text);
  return hasPort ? said.port === target.port : usualPort === target.port || head.method === 'CONNECT';
}

function refuseHead(socket: Socket, port: SandboxPort, problem: HeadProblem): void {
  const verdict = deny(problem.reason, problem.rule);
  const attempt = port.attempt({ target: null, text: '', method: null, path: null, execId: null, client: socket });
  attempt.judged(verdict);
  attempt.finish();
  socket.write(denialAnswer({ status: problem.status, verdict, what: 'the request', isLast: true, hasBody: true }), 'latin1');
  endSoon(socket);
}

/** The answer reaches a client that still sends; what it sends is not read as anything. */
function endSoon(socket: Socket): void {
  if (socket.destroyed) return;
  socket.end();
  socket.resume();
  const timer = setTimeout(() => socket.destroy(), LINGER_MS);
  socket.once('close', () => clearTimeout(timer));
}
