import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BodyReader } from '../../../daemon/egress/request-body.ts';
import { findHeadEnd, parseHead } from '../../../daemon/egress/request-head.ts';

function read(text: string): unknown {
  const bytes = Buffer.from(text, 'latin1');
  const end = findHeadEnd(bytes);
  return typeof end === 'number' ? parseHead(bytes.subarray(0, end)) : end;
}
const get = (fields: string, line = 'GET http://a.test/ HTTP/1.1'): string => `${line}\r\nHost: a.test\r\n${fields}\r\n`;

describe('a request head', () => {
  test.each<[string, string, unknown]>([
    [
      'is read',
      get('X: y\r\n'),
      {
        method: 'GET',
        target: 'http://a.test/',
        isHttp10: false,
        fields: [
          ['Host', 'a.test'],
          ['X', 'y'],
        ],
        body: { kind: 'none' },
      },
    ],
    ['of HTTP/1.0 opens tunnels', 'CONNECT a.test:443 HTTP/1.0\r\n\r\n', { isHttp10: true }],
    ['may announce a length', get('Content-Length: 5\r\n'), { body: { kind: 'length', bytes: 5 } }],
    ['may announce chunks', get('Transfer-Encoding: Chunked\r\n'), { body: { kind: 'chunked' } }],
    ['is waited for', 'GET http://a.test/ HTTP/1.1\r\n', null],
    ['has no bare line feed', 'GET http://a.test/ HTTP/1.1\nHost: a.test\n\n', { status: 400, rule: 'builtin:http:bareLineFeed' }],
    ['has no bare carriage return', get('X: a\rb\r\n'), { status: 400, rule: 'builtin:http:field' }],
    [
      'has single spaces',
      get('', 'GET  http://a.test/ HTTP/1.1'),
      { status: 400, reason: 'unparseable', rule: 'builtin:http:requestLine' },
    ],
    [
      'has no byte beyond ASCII in its target',
      get('', 'GET http://\xe1.test/ HTTP/1.1'),
      { status: 400, rule: 'builtin:http:requestLine' },
    ],
    ['has no NUL', get('', 'GET http://a.test/\0 HTTP/1.1'), { status: 400 }],
    ['has no folded field', get('X: a\r\n b\r\n'), { status: 400, rule: 'builtin:http:field' }],
    ['has no space before a colon', get('X : a\r\n'), { status: 400, rule: 'builtin:http:field' }],
    ['has no field without name', get(': a\r\n'), { status: 400 }],
    ['has one length', get('Content-Length: 5\r\nContent-Length: 5\r\n'), { status: 400, rule: 'builtin:http:bodyLengthTwice' }],
    [
      'has a length or chunks',
      get('Content-Length: 5\r\nTransfer-Encoding: chunked\r\n'),
      { status: 400, rule: 'builtin:http:bodyLengthTwice' },
    ],
    ['has a length in digits', get('Content-Length: +5\r\n'), { status: 400, rule: 'builtin:http:contentLength' }],
    ['has no other coding', get('Transfer-Encoding: gzip, chunked\r\n'), { status: 501, rule: 'builtin:http:transferEncoding' }],
    ['has a known method', get('', 'BREW http://a.test/ HTTP/1.1'), { status: 405 }],
    ['has a method in capitals', get('', 'get http://a.test/ HTTP/1.1'), { status: 405 }],
    ['is HTTP/1.1', get('', 'GET http://a.test/ HTTP/2.0'), { status: 505 }],
    ['of HTTP/1.0 requests nothing in the clear', get('', 'GET http://a.test/ HTTP/1.0'), { status: 505 }],
    ['has a target of at most 8 KiB', get('', `GET http://a.test/${'a'.repeat(9000)} HTTP/1.1`), { status: 414 }],
    ['has at most 16 KiB', get(`X: ${'a'.repeat(20_000)}\r\n`), { status: 431 }],
    ['has at most 16 KiB even unfinished', `GET http://a.test/ HTTP/1.1\r\n${'a'.repeat(20_000)}`, { status: 431 }],
    ['has at most 100 fields', get('X: y\r\n'.repeat(100)), { status: 431, rule: 'builtin:http:tooManyFields' }],
  ])('%s', (_, text, expected) => {
    if (expected === null) expect(read(text)).toBeNull();
    else expect(read(text)).toMatchObject(expected as object);
  });

  test('never hurts, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (noise) => {
        read(`${noise}\r\n\r\n`);
        read(get(noise));
        read(get('', noise));
      }),
      { numRuns: 5_000 },
    );
  });
});

describe('a chunked body', () => {
  const body = Buffer.from('5\r\nhello\r\nA\r\n0123456789\r\n0\r\n\r\nGET next');

  test('is the same in whatever pieces it comes, and ends where it ends', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 40, maxLength: 40 }), (sizes) => {
        const reader = new BodyReader({ kind: 'chunked' });
        let held: Buffer = Buffer.alloc(0);
        let at = 0;
        let text = '';
        for (const size of sizes) {
          held = Buffer.concat([held, body.subarray(at, at + size)]);
          at += size;
          for (let step = reader.step(held); step.kind === 'data' || step.kind === 'end'; step = reader.step(held)) {
            held = held.subarray(step.used);
            if (step.kind === 'end') {
              expect(text).toBe('hello0123456789');
              expect(Buffer.concat([held, body.subarray(at)]).toString()).toBe('GET next');
              return;
            }
            text += step.data.toString();
          }
        }
        expect.unreachable('it must end');
      }),
    );
  });
});
