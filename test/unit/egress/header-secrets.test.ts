import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { EchoFilter, withoutValues } from '../../../daemon/egress/echo-filter.ts';
import { explainedTarget } from '../../../daemon/egress/explained-target.ts';
import { compileSecrets, fillIn, judgePlaceholders } from '../../../daemon/egress/header-secrets.ts';
import { canonicalPath } from '../../../daemon/policy/host-path.ts';

const PLACEHOLDER = 'cloister-secret-0123456789';
const secrets = compileSecrets([{ name: 'KEY', placeholder: PLACEHOLDER, hosts: ['api.test', '*.wild.test'], value: 'value' }]);
const head = { target: '/', fields: [['Authorization', `Bearer ${PLACEHOLDER}`]] as const };

describe('a placeholder belongs', () => {
  test.each<[string, string, boolean]>([
    ['to its host over https', 'https://api.test/x', true],
    ['to a name below a suffix', 'https://a.wild.test/', true],
    ['not to the apex of a suffix', 'https://wild.test/', false],
    ['not to its host in the clear', 'http://api.test/', false],
    ['not to another port of its host', 'https://api.test:8443/', false],
    ['not to a name that only ends alike', 'https://notapi.test/', false],
    ['not to a name below its host', 'https://x.api.test/', false],
    ['not to what is no target', 'https://user@api.test/', false],
  ])('%s: %s', (_, url, isHome) => {
    expect(judgePlaceholders(secrets, head, explainedTarget(url)) === null).toBe(isHome);
  });

  test('and a head without one belongs everywhere', () => {
    expect(
      judgePlaceholders(secrets, { target: '/x', fields: [['Authorization', 'Bearer x']] }, explainedTarget('http://evil.test/')),
    ).toBeNull();
  });

  test('whatever stands around it, and its value is all that changes', () => {
    const target = explainedTarget('https://api.test/')!;
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme-ascii' }), fc.string({ unit: 'grapheme-ascii' }), (before, after) => {
        const { fields } = fillIn(secrets, [['X', `${before}${PLACEHOLDER}${after}`]], target);
        expect(fields).toEqual([['X', `${before}value${after}`]]);
      }),
    );
  });
});

describe('values in an answer', () => {
  test('are found wherever it is cut into pieces, and nothing else changes', () => {
    const piece = fc.oneof(fc.constantFrom('secret', 'sec', 'ret', 'sese', 'secre', 'longer-secret', 'x'), fc.string({ maxLength: 4 }));
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 20 }), fc.array(fc.nat(80), { maxLength: 10 }), (parts, cuts) => {
        const values = ['secret', 'longer-secret'];
        const whole = Buffer.from(parts.join(''), 'latin1');
        const filter = new EchoFilter(values);
        const at = [0, ...cuts.map((cut) => Math.min(cut, whole.length)).sort((a, b) => a - b), whole.length];
        const pieces = at.slice(1).map((end, index) => Buffer.from(filter.push(Buffer.from(whole.subarray(at[index], end)))));
        const got = Buffer.concat([...pieces, filter.end()]).toString('latin1');
        expect(got).toHaveLength(whole.length);
        for (const value of values) expect(got).not.toContain(value);
        if (!values.some((value) => whole.includes(value))) expect(got).toBe(whole.toString('latin1'));
      }),
      { numRuns: 2000 },
    );
  });

  test('are taken out of fields', () => {
    expect(withoutValues('X: abcsecretdef', ['secret', 'longer-secret'])).toBe('X: abc******def');
  });
});

describe('a path for rules', () => {
  test('never leaves its prefix for a reader who decodes once or twice, merges slashes or cuts parameters', () => {
    const part = fc.constantFrom(
      '/',
      '.',
      '..',
      '%2e',
      '%2E',
      '%2f',
      '%5c',
      '\\',
      ';',
      'a',
      '%25',
      '2e',
      '%3b',
      '%61',
      '%c0%ae',
      '%ef%bc%8f',
      'v1',
      '%00',
    );
    const decode = (text: string): string => {
      try {
        return decodeURIComponent(text);
      } catch {
        return text;
      }
    };
    fc.assert(
      fc.property(fc.array(part, { maxLength: 12 }), (parts) => {
        const path = canonicalPath(`/v1/${parts.join('')}`);
        if (path === null) return;
        for (const read of [path, decode(path), decode(decode(path))]) {
          const plain = read
            .replaceAll('\\', '/')
            .replaceAll(/;[^/]*/g, '')
            .replaceAll(/\/+/g, '/');
          expect(new URL(plain, 'http://h').pathname.startsWith('/v1/')).toBe(true);
        }
      }),
      { numRuns: process.env['CI'] === 'true' ? 100_000 : 10_000 },
    );
  });
});

test.each<[string, string | null]>([
  ['http://a.test/x', 'http a.test 80 /x'],
  ['https://a.test', 'tunnel a.test 443 /'],
  ['https://a.test/x?y', 'tunnel a.test 443 /x?y'],
  ['https://a.test:80/', 'tunnel a.test 80 /'],
  ['https://[2606:4700::1111]/', 'tunnel 2606:4700::1111 443 /'],
  ['a.test:22', 'tunnel a.test 22 undefined'],
  ['https://a.test/#x', null],
  ['ftp://a.test/', null],
])('%s is explained as %s', (text, expected) => {
  const target = explainedTarget(text);
  expect(target === null ? null : `${target.via} ${target.host.text} ${target.port} ${target.request?.path}`).toBe(expected);
});
