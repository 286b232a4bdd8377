import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readClientHello } from '../../../daemon/egress/client-hello.ts';
import { clientHello, serverNameExtension } from '../../support/egress-hello.ts';

const named = clientHello({ extensions: [serverNameExtension('allowed.test')] });

describe('the server name of a ClientHello', () => {
  test.each<[string, Buffer, unknown]>([
    ['is read', named, { kind: 'hello', serverName: 'allowed.test' }],
    [
      'is read behind large key shares',
      clientHello({ extensions: [serverNameExtension('allowed.test')], padding: 9_000 }),
      { kind: 'hello', serverName: 'allowed.test' },
    ],
    [
      'is read across records',
      clientHello({ extensions: [serverNameExtension('allowed.test')], recordBytes: 20 }),
      { kind: 'hello', serverName: 'allowed.test' },
    ],
    [
      'is read with early data behind it',
      Buffer.concat([named, Buffer.from([23, 3, 3, 0, 1, 0])]),
      { kind: 'hello', serverName: 'allowed.test' },
    ],
    ['may be missing', clientHello({ extensions: [] }), { kind: 'hello', serverName: null }],
    [
      'must not be there twice',
      clientHello({ extensions: [serverNameExtension('a.test'), serverNameExtension('b.test')] }),
      { kind: 'notTls' },
    ],
    ['must not be empty', clientHello({ extensions: [serverNameExtension('')] }), { kind: 'notTls' }],
    [
      'must come within 16 KiB',
      clientHello({ extensions: [serverNameExtension('allowed.test')], padding: 20_000, recordBytes: 16_000 }),
      { kind: 'notTls' },
    ],
    ['is not in another record', Buffer.from([23, 3, 3, 0, 1, 0]), { kind: 'notTls' }],
    ['is not in a ServerHello', Buffer.from([22, 3, 3, 0, 4, 2, 0, 0, 0]), { kind: 'notTls' }],
    ['is not in an empty record', Buffer.from([22, 3, 3, 0, 0]), { kind: 'notTls' }],
    ['is not in plain HTTP', Buffer.from('GET / HTTP/1.1\r\n'), { kind: 'notTls' }],
  ])('%s', (_, bytes, expected) => {
    expect(readClientHello(bytes)).toEqual(expected);
  });

  test('is waited for, whatever the segments', () => {
    for (let length = 0; length < named.length; length += 1) expect(readClientHello(named.subarray(0, length))).toEqual({ kind: 'more' });
  });

  test('never hurts, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), fc.nat(named.length), (noise, at) => {
        readClientHello(Buffer.from(noise));
        readClientHello(Buffer.concat([named.subarray(0, at), noise]));
      }),
      { numRuns: 5_000 },
    );
  });
});
