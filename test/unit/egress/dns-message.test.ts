import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeReply, encodeQuestion, RECORD_TYPE } from '../../../daemon/egress/dns-message.ts';
import { createResolver } from '../../../daemon/egress/resolver.ts';
import { startTestNames, type ZoneEntry } from '../../support/egress-names.ts';

const question = { id: 0x1234, name: 'a.example.org', type: RECORD_TYPE.a };

/** An answer to the question, with records given as [owner offset or name bytes, type, data]. */
function reply(records: readonly Buffer[], flags = 0x8180): Buffer {
  const bytes = Buffer.concat([encodeQuestion(question.id, question.name, question.type), ...records]);
  bytes.writeUInt16BE(flags, 2);
  bytes.writeUInt16BE(records.length, 6);
  return bytes;
}
const record = (type: number, data: readonly number[], owner: readonly number[] = [0xc0, 12]): Buffer =>
  Buffer.from([...owner, 0, type, 0, 1, 0, 0, 0, 0, 0, data.length, ...data]);

describe('an answer', () => {
  test.each<[string, Buffer, unknown]>([
    ['with an address', reply([record(1, [1, 2, 3, 4])]), { kind: 'answer', addresses: ['1.2.3.4'], aliases: 0, end: 'a.example.org' }],
    ['without one', reply([]), { kind: 'answer', addresses: [], aliases: 0, end: 'a.example.org' }],
    [
      'for another name only',
      reply([record(1, [1, 2, 3, 4], [1, 98, 0])]),
      { kind: 'answer', addresses: [], aliases: 0, end: 'a.example.org' },
    ],
    [
      'through an alias',
      reply([record(5, [1, 98, 0]), record(1, [1, 2, 3, 4], [1, 98, 0])]),
      { kind: 'answer', addresses: ['1.2.3.4'], aliases: 1, end: 'b' },
    ],
    ['of an alias to itself', reply([record(5, [0xc0, 12])]), { kind: 'failed', cause: 'the name has more than 8 aliases' }],
    ['that the name does not exist', reply([], 0x8183), { kind: 'noName' }],
    ['that something failed', reply([], 0x8182), { kind: 'failed', cause: 'the name server answers with code 2' }],
    ['that does not fit', reply([], 0x8380), { kind: 'truncated' }],
    ['with an address of five bytes', reply([record(1, [1, 2, 3, 4, 5])]), { kind: 'failed', cause: 'the name server answers malformed' }],
    ['cut off', reply([record(1, [1, 2, 3, 4])]).subarray(0, -1), { kind: 'failed', cause: 'the name server answers malformed' }],
    [
      'with a name that points at itself',
      reply([record(1, [1, 2, 3, 4], [0xc0, 31])]),
      { kind: 'failed', cause: 'the name server answers malformed' },
    ],
    ['that is a question', reply([], 0x0100), { kind: 'foreign' }],
  ])('%s', (_, bytes, expected) => {
    expect(decodeReply(bytes, question)).toEqual(expected);
  });

  test.each([
    ['another id', { ...question, id: 1 }],
    ['another name', { ...question, name: 'b.example.org' }],
    ['another type', { ...question, type: RECORD_TYPE.aaaa }],
  ])('to %s is none', (_, asked) => {
    expect(decodeReply(reply([record(1, [1, 2, 3, 4])]), asked)).toEqual({ kind: 'foreign' });
  });

  test('never hurts, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(60), (noise, at) => {
        const whole = reply([record(1, [1, 2, 3, 4])]);
        decodeReply(Buffer.concat([whole.subarray(0, at), noise]), question);
      }),
      { numRuns: 5_000 },
    );
  });
});

describe('a name', () => {
  test.each<[string, ZoneEntry | undefined, unknown]>([
    [
      'of both families',
      ['93.184.216.34', '2606:2800:220:1::1'],
      { kind: 'addresses', addresses: ['93.184.216.34', '2606:2800:220:1:0:0:0:1'] },
    ],
    ['that does not exist', undefined, { kind: 'none', cause: 'the name does not exist' }],
    ['without address', [], { kind: 'none', cause: 'the name has no address' }],
    ['whose server fails', { code: 2 }, { kind: 'none', cause: 'the name server answers with code 2' }],
    ['whose server is silent', 'silent', { kind: 'none', cause: 'the name server does not answer in time' }],
    ['whose aliases never end', { alias: 'next.example.org' }, { kind: 'none', cause: 'the name has more than 8 aliases' }],
  ])('%s', async (_, entry, expected) => {
    await using names = await startTestNames(() => entry);
    const [address = '', port = ''] = names.address.split(':');
    const resolve = createResolver({ servers: [{ address, port: Number(port) }], timeoutMs: 300 });
    expect(await resolve('a.example.org')).toEqual(expected);
  });

  test('is asked for once and by its own server only', async () => {
    await using names = await startTestNames({ 'a.example.org': ['93.184.216.34'] });
    const [address = '', port = ''] = names.address.split(':');
    const resolve = createResolver({ servers: [{ address, port: Number(port) }], timeoutMs: 2_000 });
    await resolve('a.example.org');
    expect(names.asked.sort()).toEqual(['a.example.org A', 'a.example.org AAAA']);
  });
});
