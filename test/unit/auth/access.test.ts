// What a token allows, before anything is known of the session.

import { describe, expect, test } from 'vitest';
import type { SessionRole } from '../../../client/protocol/session.ts';
import { SessionName, TenantName } from '../../../client/protocol/names.ts';
import { OPERATIONS, type Operation } from '../../../client/protocol/requests.ts';
import { assertMayCall, assertMayOpenAs, maySee, tenantOf } from '../../../daemon/auth/access.ts';
import { principal, refusal } from '../../support/fake-sandbox.ts';
import { OPERATION_ROWS } from './access-rows.ts';

const operations = Object.keys(OPERATIONS) as Operation[];
const allowed = async (who: ReturnType<typeof principal>) => {
  const all: Operation[] = [];
  for (const op of operations) if ((await refusal(() => assertMayCall(who, op))) === 'no error') all.push(op);
  return all;
};
const CHANGING = [
  'close',
  'extend',
  'exec.start',
  'exec.kill',
  'exec.resize',
  'files.write',
  'files.mkdir',
  'files.remove',
  'files.move',
  'files.copy',
  'files.chmod',
  'files.symlink',
  'ports.url',
];

test("an operator's token may call everything, a tenant's all but what concerns every tenant", async () => {
  expect(await allowed(principal())).toEqual(operations.filter((op) => OPERATION_ROWS[op]?.operatorsOnly !== true));
  expect(await allowed(principal({ role: 'operator' }))).toEqual(operations);
});

test.each(['tenant', 'operator'] as const)('a read-only token of a %s may call nothing that changes anything', async (role) => {
  const calls = await allowed(principal({ role, isReadOnly: true }));
  expect(calls.filter((op) => CHANGING.includes(op))).toEqual([]);
  expect(calls).toEqual(expect.arrayContaining(['list', 'open', 'exec.list', 'files.read']));
});

test("an observer's token may only watch, read-only or not", async () => {
  for (const isReadOnly of [false, true])
    expect((await allowed(principal({ role: 'observer', isReadOnly }))).sort()).toEqual([
      'exec.attach',
      'exec.list',
      'hello',
      'list',
      'open',
    ]);
});

describe('a token opens as', () => {
  test.each<[object, SessionRole[]]>([
    [{}, ['controller', 'participant', 'observer']],
    [{ role: 'operator' }, ['controller', 'participant', 'observer']],
    [{ isReadOnly: true }, ['participant', 'observer']],
    [{ role: 'operator', isReadOnly: true }, ['participant', 'observer']],
    [{ role: 'observer' }, ['observer']],
    [{ role: 'observer', isReadOnly: true }, ['observer']],
  ])('%j: %j', async (more, roles) => {
    const can: SessionRole[] = [];
    for (const role of ['controller', 'participant', 'observer'] as const)
      if ((await refusal(() => assertMayOpenAs(principal(more), role))) === 'no error') can.push(role);
    expect(can).toEqual(roles);
  });
});

test.each<[string, ReturnType<typeof principal>, string | undefined, string]>([
  ['a tenant that names none is itself', principal(), undefined, 'acme'],
  ['a tenant that names itself is itself', principal(), 'acme', 'acme'],
  ["a tenant can't be another", principal(), 'globex', 'FORBIDDEN: only operators may'],
  ["an observer can't be another", principal({ role: 'observer' }), 'globex', 'FORBIDDEN: only operators may'],
  ['an operator acts for whom it names', principal({ role: 'operator' }), 'globex', 'globex'],
  ['an operator of a tenant acts for that by default', principal({ role: 'operator' }), undefined, 'acme'],
  [
    'an operator of none must name one',
    principal({ role: 'operator', tenant: null }),
    undefined,
    'INVALID_REQUEST: the operator token names none',
  ],
  ['a token that names no tenant is nobody', principal({ tenant: null }), undefined, 'UNAUTHENTICATED: the token names no tenant'],
])('%s', async (_, who, asked, expected) => {
  let tenant = '';
  const refused = await refusal(() => (tenant = tenantOf(who, asked === undefined ? undefined : TenantName.parse(asked))));
  expect(refused === 'no error' ? tenant : refused).toBe(expected);
});

test.each<[string, ReturnType<typeof principal>, boolean]>([
  ['its tenant', principal(), true],
  ['another tenant', principal({ tenant: 'globex' }), false],
  ['nobody', principal({ tenant: null }), false],
  ['its tenant, narrowed to it', principal({ session: 's' }), true],
  ['its tenant, narrowed to another', principal({ session: 't' }), false],
  ['an operator', principal({ role: 'operator', tenant: null }), true],
  ['an operator, narrowed to another', principal({ role: 'operator', session: 't' }), false],
])('session s of acme and %s', (_, who, isSeen) => {
  expect(maySee(who, TenantName.parse('acme'), SessionName.parse('s'))).toBe(isSeen);
});
