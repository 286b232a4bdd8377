import { describe, expect, test } from 'vitest';
import type { EgressEntry } from '../../../client/protocol/egress.ts';
import type { EgressDecision } from '../../../client/protocol/exec.ts';
import { ProposalBook } from '../../../daemon/egress/proposal-book.ts';
import { parseHostRule } from '../../../daemon/policy/host-rule.ts';

const denied = (changes: Partial<EgressDecision>): EgressDecision => ({
  at: '2026-01-01T00:00:00.000Z',
  host: 'a.test',
  port: 443,
  method: 'CONNECT',
  verdict: 'deny',
  reason: 'notAllowed',
  rule: 'mode:allowlist',
  bytesUp: 0,
  bytesDown: 0,
  ms: 0,
  ...changes,
});

describe('what was denied is proposed', () => {
  test.each<[string, Partial<EgressDecision>, EgressEntry | null]>([
    ['as its host', {}, 'a.test'],
    ['as its host, in the clear', { port: 80, method: 'GET', path: '/x' }, 'a.test'],
    ['with a port that needs naming', { port: 8080 }, 'a.test:8080'],
    ['with the port of a tunnel to 80', { port: 80 }, 'a.test:80'],
    ['with its port, where that was the reason', { port: 22, reason: 'portNotAllowed' }, 'a.test:22'],
    [
      'as the request that was denied',
      { method: 'POST', path: '/v1/x', reason: 'requestNotAllowed' },
      { host: 'a.test', methods: ['POST'], paths: ['/v1/x'] },
    ],
    ['not as a path that reads in two ways', { method: 'POST', path: '/v1/../x', reason: 'requestNotAllowed' }, null],
    ['not as an address', { host: '169.254.169.254' }, null],
    ['not as an address of the other family', { host: '[2606:4700::1111]' }, null],
    ['not where no policy could allow it', { reason: 'nameBlocked', host: 'localhost.localdomain' }, null],
    ['not where the session itself denies it', { reason: 'policyDenied' }, null],
    ['not where it was allowed', { verdict: 'allow', reason: 'allowed' }, null],
    ['not as what is no host', { host: 'a b', port: 0, reason: 'unparseable' }, null],
  ])('%s', (_, changes, entry) => {
    const book = new ProposalBook();
    book.add(denied(changes));
    const { allow } = book.proposal();
    expect(allow).toEqual(entry === null ? [] : [entry]);
    for (const one of allow) expect(parseHostRule(one)).not.toBeNull();
  });

  test('once, however often it was asked for, and no more hosts than fit', () => {
    const book = new ProposalBook();
    for (let index = 0; index < 600; index += 1) book.add(denied({ host: `h${index}.test` }));
    book.add(denied({ host: 'h1.test', at: '2026-01-02T00:00:00.000Z' }));
    const { allow, seen, omitted } = book.proposal();
    expect([allow.length, omitted]).toEqual([512, 88]);
    expect(seen[1]).toEqual({
      entry: 'h1.test',
      reason: 'notAllowed',
      count: 2,
      firstAt: '2026-01-01T00:00:00.000Z',
      lastAt: '2026-01-02T00:00:00.000Z',
    });
  });
});
