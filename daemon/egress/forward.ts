// One HTTP request, judged, sent on in our own words, in the clear or over TLS, and its answer brought back. The answer is read by Node's
// parser and written anew, so neither side ever sees the other's framing.

import { type IncomingMessage, request } from 'node:http';
import type { Socket } from 'node:net';
import { denialAnswer, statusOf } from './answer.ts';
import type { Attempt } from './attempt.ts';
import { EchoFilter, withoutValues } from './echo-filter.ts';
import type { HttpTarget } from './authority.ts';
import { downstreamLines, upgradeOf, upstreamFields, wantsClose } from './http-fields.ts';
import { BodyReader } from './request-body.ts';
import type { RequestHead } from './request-head.ts';
import type { SandboxPort } from './sandbox-port.ts';
import { sendBody } from './send-body.ts';
import { pump } from './splice.ts';
import { deny, type Verdict } from './verdict.ts';

const MAX_ANSWER_HEAD_BYTES = 64 * 1024;

type Answer =
  | { readonly kind: 'response'; readonly message: IncomingMessage }
  | { readonly kind: 'upgrade'; readonly message: IncomingMessage; readonly head: Buffer }
  | { readonly kind: 'failed' };

/** True: the client may send another request on this connection. */
export async function forward(
  client: Socket,
  port: SandboxPort,
  head: RequestHead,
  target: HttpTarget,
  attempt: Attempt,
): Promise<boolean> {
  const isBodyless = head.body.kind === 'none';
  const refuse = (verdict: Verdict): boolean => {
    attempt.judged(verdict);
    const isLast = !isBodyless || wantsClose(head);
    client.write(
      denialAnswer({
        status: statusOf(verdict),
        verdict,
        what: `${head.method} ${head.target.split('?')[0] ?? ''}`,
        isLast,
        hasBody: head.method !== 'HEAD',
      }),
      'latin1',
    );
    return !isLast;
  };
  try {
    const misdirected = port.judgePlaceholders(head, target);
    if (misdirected !== null) return refuse(misdirected);
    const upgrade = upgradeOf(head);
    const admission = await port.admit(attempt);
    if (admission.verdict.verdict !== 'allow') return refuse(admission.verdict);
    if (upgrade === 'other') return refuse(deny('upgradeRefused', 'builtin:http:upgrade'));
    const upstream = await port.dialServer(attempt, admission, client, target);
    if (upstream === null) return client.destroyed ? false : refuse(attempt.verdict ?? admission.verdict);
    const { fields, written } = port.fillIn(head.fields, target);
    try {
      return await exchange({ client, port, head, fields, written, target, attempt, upstream, isUpgrade: upgrade === 'websocket', refuse });
    } finally {
      upstream.destroy();
    }
  } finally {
    attempt.finish();
  }
}

interface Exchange {
  readonly client: Socket;
  readonly port: SandboxPort;
  readonly head: RequestHead;
  /** Of the head, with the values of secrets. */
  readonly fields: RequestHead['fields'];
  /** Values of secrets that are among them; the client never gets them back. */
  readonly written: readonly string[];
  readonly target: HttpTarget;
  readonly attempt: Attempt;
  readonly upstream: Socket;
  readonly isUpgrade: boolean;
  readonly refuse: (verdict: Verdict) => boolean;
}

async function exchange(options: Exchange): Promise<boolean> {
  const { client, port, head, fields, written, target, attempt, upstream, isUpgrade, refuse } = options;
  const outgoing = request({
    method: head.method,
    path: target.path,
    headers: upstreamFields(
      { ...head, fields: written.length === 0 ? fields : withPlainAnswer(fields) },
      target,
      isUpgrade ? 'websocket' : 'none',
    ),
    createConnection: () => upstream,
    maxHeaderSize: MAX_ANSWER_HEAD_BYTES,
    insecureHTTPParser: false,
  });
  const answered = new Promise<Answer>((resolve) => {
    outgoing.on('response', (message) => resolve({ kind: 'response', message }));
    outgoing.on('upgrade', (message, _socket, rest) => resolve({ kind: 'upgrade', message, head: rest }));
    outgoing.on('error', () => resolve({ kind: 'failed' }));
    outgoing.on('close', () => resolve({ kind: 'failed' }));
  });
  if (head.fields.some(([name, value]) => name.toLowerCase() === 'expect' && value.toLowerCase() === '100-continue'))
    client.write('HTTP/1.1 100 Continue\r\n\r\n');
  const sent = sendBody(client, outgoing, new BodyReader(head.body), (bytes) => port.meter(attempt, bytes, 0));
  const answer = await answered;
  if (answer.kind === 'failed') {
    // A body that is half read cannot be followed by anything.
    if (client.destroyed || (await Promise.race([sent, Promise.resolve('sending')])) !== 'sent') return broken(client);
    return refuse({ ...deny('unreachable', attempt.verdict?.rule ?? 'builtin'), verdict: 'allow' });
  }
  if (answer.kind === 'upgrade') {
    if (!isUpgrade) return broken(client);
    await passUpgrade(options, answer.message, answer.head);
    return false;
  }
  const isLast = wantsClose(head) || (await Promise.race([sent, Promise.resolve('sending')])) !== 'sent';
  const isWhole = await writeAnswer(options, answer.message, isLast);
  if (!isWhole) return broken(client);
  return !isLast;
}

/** False: it broke off, and what was written must not be taken for whole. */
async function writeAnswer(
  { client, port, head, attempt, written }: Exchange,
  message: IncomingMessage,
  isLast: boolean,
): Promise<boolean> {
  const status = message.statusCode ?? 502;
  const isEmpty = head.method === 'HEAD' || status === 204 || status === 304;
  const length = message.headers['content-length'];
  const isChunked = !isEmpty && (length === undefined || message.headers['transfer-encoding'] !== undefined);
  const framing = isChunked ? ['Transfer-Encoding: chunked'] : length === undefined ? [] : [`Content-Length: ${length}`];
  const lines = [
    `HTTP/1.1 ${status} ${withoutValues(message.statusMessage ?? '', written)}`,
    ...downstreamLines(message.rawHeaders).map((line) => withoutValues(line, written)),
    ...framing,
    `Connection: ${isLast ? 'close' : 'keep-alive'}`,
  ];
  client.write(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
  const echo = new EchoFilter(written);
  const pass = (piece: Buffer): boolean => {
    // A chunk of nothing would be the last one.
    if (piece.length === 0) return true;
    if (isChunked) client.write(`${piece.length.toString(16)}\r\n`, 'latin1');
    const isRoom = client.write(piece);
    return isChunked ? client.write('\r\n', 'latin1') && isRoom : isRoom;
  };
  try {
    for await (const chunk of message as AsyncIterable<Buffer>) {
      if (!port.meter(attempt, 0, chunk.length) || client.destroyed) return false;
      if (!pass(echo.push(chunk))) await drained(client);
    }
  } catch {
    return false;
  }
  if (!message.complete) return false;
  pass(echo.end());
  if (isChunked) client.write('0\r\n\r\n', 'latin1');
  return true;
}

async function passUpgrade({ client, port, attempt, upstream, written }: Exchange, message: IncomingMessage, rest: Buffer): Promise<void> {
  const lines = ['HTTP/1.1 101 Switching Protocols', ...downstreamLines(message.rawHeaders), 'Connection: Upgrade', 'Upgrade: websocket'];
  client.write(`${lines.map((line) => withoutValues(line, written)).join('\r\n')}\r\n\r\n`, 'latin1');
  if (rest.length > 0) client.write(rest);
  await Promise.all([
    pump(upstream, client, (bytes) => port.meter(attempt, 0, bytes)),
    pump(client, upstream, (bytes) => port.meter(attempt, bytes, 0)),
  ]);
}

/** An answer that is not compressed is one in which values are found. */
const withPlainAnswer = (fields: RequestHead['fields']): RequestHead['fields'] => [
  ...fields.filter(([name]) => name.toLowerCase() !== 'accept-encoding'),
  ['Accept-Encoding', 'identity'],
];

/** Both sides know that nothing more can be believed. */
function broken(client: Socket): false {
  client.destroy();
  return false;
}

function drained(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      socket.off('drain', done).off('close', done);
      resolve();
    };
    socket.on('drain', done).on('close', done);
    if (socket.destroyed) done();
  });
}
