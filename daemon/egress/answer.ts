// What the proxy itself says to a client: denials and failures that a person, a tool and an agent can read. Pure text.

import type { Verdict } from './verdict.ts';

const PHRASES: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  403: 'Forbidden',
  405: 'Method Not Allowed',
  408: 'Request Timeout',
  414: 'URI Too Long',
  429: 'Too Many Requests',
  431: 'Request Header Fields Too Large',
  501: 'Not Implemented',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  505: 'HTTP Version Not Supported',
};

/** Which status a denial has unless its place says otherwise. */
export function statusOf(verdict: Verdict): number {
  if (verdict.reason === 'unparseable' || verdict.reason === 'badRequest') return 400;
  if (verdict.reason === 'limitReached') return 429;
  return verdict.verdict === 'allow' ? 502 : 403;
}

/** A whole answer. `what` is the request as it was judged, for example `CONNECT example.com:443`. */
export function denialAnswer(options: {
  readonly status: number;
  readonly verdict: Verdict;
  readonly what: string;
  readonly isLast: boolean;
  readonly hasBody: boolean;
}): string {
  const { status, verdict, what, isLast, hasBody } = options;
  const lines = [
    verdict.verdict === 'allow' ? `Cloister cannot serve ${printable(what)}` : `Cloister denies ${printable(what)}`,
    `reason: ${verdict.reason}`,
    `rule: ${printable(verdict.rule)}`,
    ...(verdict.remedy === undefined || verdict.remedy === '' ? [] : [`remedy: ${verdict.remedy}`]),
  ];
  const body = `${lines.join('\n')}\n`;
  const fields = [
    `X-Deny-Reason: ${verdict.reason}`,
    'Content-Type: text/plain; charset=us-ascii',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Cache-Control: no-store',
    `Connection: ${isLast ? 'close' : 'keep-alive'}`,
  ];
  return `HTTP/1.1 ${status} ${PHRASES[status] ?? 'Refused'}\r\n${fields.join('\r\n')}\r\n\r\n${hasBody ? body : ''}`;
}

const printable = (text: string): string => text.slice(0, 300).replaceAll(/[^ -~]/g, '?');
