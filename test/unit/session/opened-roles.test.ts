// What a connection may do in a session, by the role it opened it in.

import { beforeEach, describe, expect, test } from 'vitest';
import type { Need } from '../../../daemon/session/opened-roles.ts';
import { OpenedRoles } from '../../../daemon/session/opened-roles.ts';
import type { Session } from '../../../daemon/session/session.ts';
import { openRequest, poolHarness, principal, refusal } from '../../support/fake-sandbox.ts';

const acme = principal();
const operator = principal({ role: 'operator' });

let session: Session;
let roles: OpenedRoles;
beforeEach(async () => {
  const { pool } = poolHarness();
  session = pool.find((await pool.open(openRequest('s'), acme, 'controller')).id, acme);
  roles = new OpenedRoles();
});
const may = (need: Need, who = acme, client = 'me') => refusal(() => roles.assertMay(need, session, client, who));

describe('a connection that opened the session', () => {
  test.each<[string, 'participant' | 'observer', Need, string]>([
    ['as participant may watch', 'participant', 'watch', 'no error'],
    ['as participant may work', 'participant', 'work', 'no error'],
    ['as participant may not control', 'participant', 'control', 'FORBIDDEN: this connection opened it as participant'],
    ['as observer may watch', 'observer', 'watch', 'no error'],
    ['as observer may not work', 'observer', 'work', 'FORBIDDEN: this connection opened it as observer'],
    ['as observer may not control', 'observer', 'control', 'FORBIDDEN: this connection opened it as observer'],
  ])('%s', async (_, role, need, why) => {
    roles.add(session.id, role);
    expect(await may(need)).toBe(why);
  });

  test.each<Need>(['watch', 'work', 'control'])(
    'as its controller may %s while it holds the lease, and is fenced off when it does not',
    async (need) => {
      roles.add(session.id, 'controller');
      session.controller = 'me';
      expect(await may(need)).toBe('no error');
      session.controller = 'another';
      expect(await may(need)).toBe('LEASE_LOST: another connection took it over');
      session.controller = 'me';
      expect(await may(need)).toBe('no error');
    },
  );

  test('as controller and participant works on as participant after it lost the lease', async () => {
    roles.add(session.id, 'controller');
    roles.add(session.id, 'participant');
    expect(await may('work')).toBe('no error');
    expect(await may('control')).toBe('LEASE_LOST: another connection took it over');
  });

  test('and was told of its end has no role in it', async () => {
    roles.add(session.id, 'participant');
    expect(roles.forget(session.id)).toBe(true);
    expect(roles.forget(session.id)).toBe(false);
    expect(await may('work')).toMatch(/^INVALID_REQUEST/);
  });

  test.each<[Need, 'closing' | 'failed', string]>([
    ['work', 'closing', 'SESSION_EXPIRED: evicted'],
    ['watch', 'failed', 'SANDBOX_FAILED: evicted'],
    ['control', 'closing', 'SESSION_EXPIRED: evicted'],
  ])('and whose call to %s crosses the news of its end is told of that while it is %s', async (need, state, why) => {
    session.controller = 'me';
    session.ending(state, 'evicted');
    expect(await may(need)).toBe(why);
  });
});

describe('a connection that did not open it', () => {
  test.each<[string, Need, string]>([
    ['may not watch', 'watch', 'INVALID_REQUEST: this connection has not opened it'],
    ['may not work', 'work', 'INVALID_REQUEST: this connection has not opened it'],
    ['may not control it while its controller is there', 'control', 'SESSION_BUSY: another connection holds it'],
  ])('%s', async (_, need, why) => {
    expect(await may(need)).toBe(why);
  });

  test('may not work although its client holds the lease: a resumed client opens again', async () => {
    expect(await may('work', acme, 'controller')).toBe('INVALID_REQUEST: this connection has not opened it');
  });

  test('may close it when its controller is away', async () => {
    session.controllerLostAtMs = 1;
    expect(await may('control')).toBe('no error');
  });

  test("and is an operator's may watch and end it, and joins to work", async () => {
    expect(await may('watch', operator)).toBe('no error');
    expect(await may('control', operator)).toBe('no error');
    expect(await may('work', operator)).toBe('INVALID_REQUEST: this connection has not opened it');
  });
});
