import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { admit } from '../../../daemon/egress/admission.ts';
import { neverAllowed } from '../../../daemon/egress/address-judge.ts';
import { parseHttpTarget, parseTunnelTarget } from '../../../daemon/egress/authority.ts';
import { addressKey, groupsOf, parseCidr } from '../../../daemon/egress/cidr.ts';
import { compilePolicy, judgeAddresses, judgeTarget, type OperatorRules } from '../../../daemon/egress/judge.ts';
import type { GrantedEgress } from '../../../daemon/policy/egress-policy.ts';
import { indexPatterns } from '../../../daemon/policy/host-index.ts';
import { parseHostPattern } from '../../../daemon/policy/host-pattern.ts';
import { egressCases, OWN_ADDRESS, PUBLIC_ADDRESS, targetOf, zoneOf } from '../../support/egress-cases.ts';

const patterns = (...texts: string[]) => indexPatterns(texts.map((text) => parseHostPattern(text)!));
const NONE: OperatorRules = { allowPrivate: [], blocked: [], blockedHosts: patterns(), own: new Set([addressKey(groupsOf(OWN_ADDRESS)!)]) };
const OPEN: GrantedEgress = { mode: 'open', allow: [], deny: [], ask: [] };
const policy = (changes: Partial<GrantedEgress>): GrantedEgress => ({ mode: 'allowlist', allow: [], deny: [], ask: [], ...changes });
const cidrs = (...texts: string[]) => texts.map((text) => parseCidr(text)!);

async function decide(
  text: string,
  granted: GrantedEgress,
  operator: Partial<OperatorRules> = {},
  addresses: readonly string[] = [PUBLIC_ADDRESS],
) {
  const target = text.includes('//') ? parseHttpTarget(text) : parseTunnelTarget(text);
  const { verdict, addresses: dialled } = await admit(target, {
    policy: compilePolicy(granted),
    operator: { ...NONE, ...operator },
    resolve: async () => (addresses.length === 0 ? { kind: 'none', cause: '' } : { kind: 'addresses', addresses }),
    confirm: async (_, asked) => ({ ...asked, verdict: 'deny' }),
  });
  return { ...verdict, dialled };
}

describe('the table of cases', () => {
  const decidable = egressCases().filter(({ category }) => !category.startsWith('raw/'));

  test.each(decidable.map((one) => [`${one.expected} ${one.input} (${one.category})`, one] as const))('%s', async (_, one) => {
    const isList = one.category.includes('allowlist') || one.category.startsWith('redirect');
    const { verdict, addresses } = await admit(targetOf(one), {
      policy: compilePolicy(isList ? policy({ allow: ['allowed.test', '*.wild.test'] }) : OPEN),
      operator: NONE,
      resolve: zoneOf(one),
      confirm: async (_target, asked) => ({ ...asked, verdict: 'deny' }),
    });
    expect(verdict.verdict).toBe(one.expected);
    expect(addresses.length > 0).toBe(one.expected === 'allow');
  });

  test('is the whole table', () => {
    const lines = readFileSync(join(import.meta.dirname, '../../support/ssrf-cases.tsv'), 'utf8')
      .trimEnd()
      .split('\n');
    expect(lines.length - 1).toBe(egressCases().length);
    expect(decidable.length).toBeGreaterThan(180);
  });
});

describe('a decision says which rule made it', () => {
  const list = policy({
    allow: ['pypi.org', '*.github.com', 'db.example.com:5432', '1.1.1.1'],
    deny: ['gist.github.com'],
    ask: ['ask.example.com'],
  });

  test.each<[string, string, GrantedEgress, string, string, string]>([
    ['an allowed host', 'pypi.org:443', list, 'allow', 'allowed', 'policy.allow:pypi.org'],
    ['an allowed host in capitals and with a final dot', 'http://PyPI.org./simple', list, 'allow', 'allowed', 'policy.allow:pypi.org'],
    ['a name below a suffix', 'api.github.com:443', list, 'allow', 'allowed', 'policy.allow:*.github.com'],
    ['the apex of a suffix', 'github.com:443', list, 'deny', 'notAllowed', 'mode:allowlist'],
    ['a name that only ends alike', 'notgithub.com:443', list, 'deny', 'notAllowed', 'mode:allowlist'],
    ['a denied name below an allowed suffix', 'gist.github.com:443', list, 'deny', 'policyDenied', 'policy.deny:gist.github.com'],
    ['a named port', 'db.example.com:5432', list, 'allow', 'allowed', 'policy.allow:db.example.com:5432'],
    ['another port of a host with a named port', 'db.example.com:443', list, 'deny', 'portNotAllowed', 'builtin:port:443'],
    ['an unusual port of an allowed host', 'pypi.org:22', list, 'deny', 'portNotAllowed', 'builtin:port:22'],
    ['a tunnel to the plain port', 'pypi.org:80', list, 'deny', 'portNotAllowed', 'builtin:port:80'],
    ['an allowed address', 'http://1.1.1.1/', list, 'allow', 'allowed', 'policy.allow:1.1.1.1'],
    ['another address', 'http://1.0.0.1/', list, 'deny', 'notAllowed', 'mode:allowlist'],
    [
      'a host that needs a confirmation below an allowed suffix',
      'ask.example.com:443',
      { ...list, allow: ['*.example.com'] },
      'deny',
      'confirmationMissing',
      'policy.ask:ask.example.com',
    ],
    [
      'a host that is allowed and needs a confirmation',
      'ask.example.com:443',
      { ...list, allow: ['ask.example.com'] },
      'deny',
      'confirmationMissing',
      'policy.ask:ask.example.com',
    ],
    [
      'an allowed host below a suffix that needs one',
      'pypi.org:443',
      { ...list, ask: ['*.org'] },
      'allow',
      'allowed',
      'policy.allow:pypi.org',
    ],
    ['a host that needs a confirmation', 'ask.example.com:443', list, 'deny', 'confirmationMissing', 'policy.ask:ask.example.com'],
    ['an internal name', 'http://metadata.google.internal/', OPEN, 'deny', 'nameBlocked', 'builtin:internal'],
    ['a private address', 'http://10.1.2.3/', OPEN, 'deny', 'addressBlocked', 'builtin:private:10.0.0.0/8'],
    ['a metadata address', '169.254.169.254:443', OPEN, 'deny', 'addressBlocked', 'builtin:metadata:169.254.169.254/32'],
    ['an address of the host itself', `http://${OWN_ADDRESS}/`, OPEN, 'deny', 'addressBlocked', 'builtin:ownAddress'],
    ['what is no target', 'http://2130706433/', OPEN, 'deny', 'unparseable', 'builtin:grammar'],
    ['any public host', 'https.example.org:443', OPEN, 'allow', 'allowed', 'mode:open'],
    ['everything under mode off', 'pypi.org:443', policy({ mode: 'off' }), 'deny', 'egressOff', 'mode:off'],
    ['everything under an empty list', 'pypi.org:443', policy({}), 'deny', 'notAllowed', 'mode:allowlist'],
  ])('%s', async (_, text, granted, verdict, reason, rule) => {
    const decision = await decide(text, granted);
    expect(decision).toMatchObject({ verdict, reason, rule });
    expect(decision.remedy === undefined).toBe(verdict === 'allow');
  });

  test.each<[string, readonly string[], string, string]>([
    ['no address', [], 'notResolved', 'builtin:noAddress'],
    ['a public and a private address', [PUBLIC_ADDRESS, '192.168.1.1'], 'addressBlocked', 'builtin:private:192.168.0.0/16'],
    ['seventeen addresses', Array.from({ length: 17 }, (_, index) => `93.184.216.${index}`), 'tooManyAnswers', 'builtin:answers:16'],
    ['what is no address', ['example.com'], 'addressBlocked', 'builtin:notAnAddress'],
  ])('a name with %s', async (_, addresses, reason, rule) => {
    expect(await decide('pypi.org:443', list, {}, addresses)).toMatchObject({ verdict: 'deny', reason, rule, dialled: [] });
  });
});

describe('an operator', () => {
  test('opens a private range, for names and for addresses', async () => {
    const operator = { allowPrivate: cidrs('10.1.0.0/16') };
    expect(await decide('git.example.org:443', OPEN, operator, ['10.1.2.3'])).toMatchObject({ verdict: 'allow', dialled: ['10.1.2.3'] });
    expect(await decide('http://10.2.0.1/', OPEN, operator)).toMatchObject({ verdict: 'deny', rule: 'builtin:private:10.0.0.0/8' });
  });

  test.each([
    '169.254.169.254',
    '100.100.100.200',
    '168.63.129.16',
    'fd00:ec2::254',
    '0.0.0.0',
    '::ffff:10.0.0.1',
    '64:ff9b::a00:1',
    '224.0.0.1',
  ])('opens everything and %s stays closed', (address) => {
    const everything = { ...NONE, allowPrivate: cidrs('0.0.0.0/0', '::/0') };
    expect(judgeAddresses([address], everything).verdict).toBe('deny');
  });

  test('closes names and ranges beyond the built-in ones', async () => {
    expect(await decide('paste.example.com:443', OPEN, { blockedHosts: patterns('*.example.com') })).toMatchObject({
      verdict: 'deny',
      reason: 'operatorBlocked',
    });
    expect(await decide('pypi.org:443', OPEN, { blocked: cidrs('93.184.0.0/16') })).toMatchObject({
      verdict: 'deny',
      rule: 'operator:93.184.0.0/16',
    });
  });

  test.each([
    ['169.254.0.0/16', true],
    ['169.254.169.254', true],
    ['127.0.0.0/8', false],
    ['10.0.0.0/8', false],
    ['::ffff:0:0/96', true],
    ['::1', false],
  ])('cannot name %s to be opened: %s', (text, expected) => {
    expect(neverAllowed(parseCidr(text)!) !== null).toBe(expected);
  });
});

describe('no input leads to an address that is not public', () => {
  const piece = fc.oneof(
    fc.constantFrom(
      '127.0.0.1',
      'localhost',
      '[::1]',
      '0x7f.1',
      '169.254.169.254',
      'example.com',
      'http://',
      'CONNECT ',
      '.',
      ':',
      '@',
      '/',
      '[',
      ']',
      '%00',
      '\\',
      '#',
      '?',
      '::ffff:',
      '443',
      '80',
      '０',
      '。',
    ),
    fc.ipV4(),
    fc.ipV6(),
    fc.domain(),
    fc.webAuthority(),
    fc.string({ unit: 'binary', maxLength: 8 }),
    fc.nat(),
  );
  const input = fc.array(piece, { minLength: 1, maxLength: 6 }).map((pieces) => pieces.join(''));
  const answers = fc.array(
    fc.oneof(
      fc.ipV4(),
      fc.ipV6(),
      fc.constantFrom('127.0.0.1', '10.0.0.1', PUBLIC_ADDRESS, '::1', '2606:2800:220:1::1', '::ffff:7f00:1', OWN_ADDRESS),
    ),
    { maxLength: 18 },
  );
  const RUNS = process.env['CI'] === 'true' ? 100_000 : 10_000;

  /** Written apart from the judge: an address that this calls private must never be dialled. */
  const isPrivate = (address: string): boolean => {
    if (address === OWN_ADDRESS) return true;
    if (address.includes(':'))
      return (
        !/^[23]/.test(address) ||
        address.split(':')[0]?.length !== 4 ||
        address.startsWith('2002:') ||
        address.startsWith('2001:0:') ||
        address.startsWith('2001::') ||
        address.startsWith('2001:db8') ||
        /^3fff:0?/.test(address)
      );
    const [a = 0, b = 0] = address.split('.').map(Number);
    return (
      a === 0 ||
      a === 10 ||
      a === 127 ||
      a >= 224 ||
      (a === 100 && b >= 64 && b < 128) ||
      (a === 169 && b === 254) ||
      (a === 172 && b >= 16 && b < 32) ||
      (a === 192 && b === 168) ||
      (a === 198 && (b === 18 || b === 19))
    );
  };

  test('whatever is asked and whatever the name server answers', async () => {
    await fc.assert(
      fc.asyncProperty(input, answers, fc.boolean(), async (text, addresses, isHttp) => {
        const target = isHttp ? parseHttpTarget(`http://${text}`) : parseTunnelTarget(text);
        const result = await admit(target, {
          policy: compilePolicy(OPEN),
          operator: NONE,
          resolve: async () => ({ kind: 'addresses', addresses }),
          confirm: async (_, asked) => asked,
        });
        expect(result.addresses.filter(isPrivate)).toEqual([]);
        expect(result.verdict.verdict === 'allow').toBe(result.addresses.length > 0);
      }),
      { numRuns: RUNS },
    );
  });

  test('and an allowlist only ever lets out what it names', () => {
    const granted = compilePolicy(policy({ allow: ['allowed.test', '*.wild.test'] }));
    fc.assert(
      fc.property(input, (text) => {
        const target = parseTunnelTarget(text);
        if (judgeTarget(target, granted, NONE).verdict === 'allow') expect(target?.host.text).toMatch(/^(allowed\.test|.+\.wild\.test)$/);
      }),
      { numRuns: RUNS },
    );
  });
});
