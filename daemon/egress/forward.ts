// One HTTP request, judged, sent on in our own words, in the clear or over TLS, and its answer brought back. The answer is read by Node's
// parser and written anew, so neither side ever sees the other's framing.

import { type IncomingMessage, request } from 'node:http';
import type { Socket } from 'node:net';
import { denialAnswer, statusOf } from './answer.ts';
import type { Attempt } from './attempt.ts';
import { withoutValues } from './echo-filter.ts';
import type { HttpTarget } from './authority.ts';
import { downstreamLines, upgradeOf, upstreamFields, wantsClose } from './http-fields.ts';
import type { KeptServer } from './kept-server.ts';
import { BodyReader } from './request-body.ts';
import type { RequestHead } from './request-head.ts';
import type { SandboxPort } from './sandbox-port.ts';
import { sendBody } from './send-body.ts';
import { pump } from './splice.ts';
import { deny, type Verdict } from './verdict.ts';
import { writeAnswer } from './write-answer.ts';

const MAX_ANSWER_HEAD_BYTES = 64 * 1024;
/** Without effect when they are sent twice: one may go to a server that is just ending the connection. */
const REPEATABLE: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);

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
  kept: KeptServer,
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
    const isRepeatable = isBodyless && upgrade === 'none' && REPEATABLE.has(head.method) && !wantsClose(head);
    const admission = await port.admit(attempt, isRepeatable ? kept.addressFor(target) : null);
    if (admission.verdict.verdict !== 'allow') return refuse(admission.verdict);
    if (upgrade === 'other') return refuse(deny('upgradeRefused', 'builtin:http:upgrade'));
    const { fields, written } = port.fillIn(head.fields, target);
    const options = { client, port, head, fields, written, target, attempt, isUpgrade: upgrade === 'websocket', isRepeatable, refuse };
    for (;;) {
      const known = isRepeatable ? kept.take(target) : null;
      if (known !== null) port.goOn(attempt, known);
      const upstream = known ?? (await port.dialServer(attempt, admission, client, target));
      if (upstream === null) return client.destroyed ? false : refuse(attempt.verdict ?? admission.verdict);
      const readBefore = upstream.bytesRead;
      const outcome = await exchange({ ...options, upstream }).catch((error: unknown) => {
        upstream.destroy();
        throw error;
      });
      if (outcome === 'kept') kept.put(target, upstream);
      else upstream.destroy();
      // The server ended it meanwhile, without a word on this request.
      if (outcome === 'failed' && known !== null && upstream.bytesRead === readBefore) continue;
      if (outcome === 'failed') return refuse({ ...deny('unreachable', admission.verdict.rule), verdict: 'allow' });
      return outcome !== 'last';
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
  /** Its server may be kept, and may be one that was. */
  readonly isRepeatable: boolean;
}

/** What may come after it: `next` request, the same with this server `kept`, nothing. `failed`: there was no answer. */
type Outcome = 'next' | 'kept' | 'last' | 'failed';

async function exchange(options: Exchange): Promise<Outcome> {
  const { client, port, head, fields, written, target, attempt, upstream, isUpgrade, isRepeatable } = options;
  const plain = { ...head, fields: written.length === 0 ? fields : withPlainAnswer(fields) };
  const outgoing = request({
    method: head.method,
    path: target.path,
    headers: upstreamFields(plain, target, isUpgrade ? 'upgrade' : isRepeatable ? 'keep-alive' : 'close'),
    createConnection: () => upstream,
    maxHeaderSize: MAX_ANSWER_HEAD_BYTES,
    insecureHTTPParser: false,
  });
  // Without an agent Node ends the connection unless told so; the answer can still say that it ends.
  outgoing.shouldKeepAlive = isRepeatable;
  const answered = new Promise<Answer>((resolve) => {
    outgoing.on('response', (message) => resolve({ kind: 'response', message }));
    outgoing.on('upgrade', (message, _socket, rest) => resolve({ kind: 'upgrade', message, head: rest }));
    outgoing.on('error', () => resolve({ kind: 'failed' }));
    outgoing.on('close', () => resolve({ kind: 'failed' }));
  });
  // The parser has let go of it, and the server said that it goes on.
  let isFree = false;
  upstream.once('free', () => {
    isFree = true;
  });
  if (head.fields.some(([name, value]) => name.toLowerCase() === 'expect' && value.toLowerCase() === '100-continue'))
    client.write('HTTP/1.1 100 Continue\r\n\r\n');
  const sent = sendBody(client, outgoing, new BodyReader(head.body), (bytes) => port.meter(attempt, bytes, 0));
  const answer = await answered;
  if (answer.kind === 'failed') {
    // A body that is half read cannot be followed by anything.
    if (client.destroyed || (await soFar(sent)) !== 'sent') return broken(client);
    return 'failed';
  }
  if (answer.kind === 'upgrade') {
    if (!isUpgrade) return broken(client);
    await passUpgrade(options, answer.message, answer.head);
    return 'last';
  }
  const isLast = wantsClose(head) || (await soFar(sent)) !== 'sent';
  const meter = (bytes: number): boolean => port.meter(attempt, 0, bytes);
  const isWhole = await writeAnswer(answer.message, { client, method: head.method, isLast, written, meter });
  if (!isWhole) return broken(client);
  if (isLast) return 'last';
  return isRepeatable && isFree ? 'kept' : 'next';
}

const soFar = <T>(promise: Promise<T>): Promise<T | 'pending'> => Promise.race([promise, Promise.resolve('pending' as const)]);

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
function broken(client: Socket): 'last' {
  client.destroy();
  return 'last';
}
