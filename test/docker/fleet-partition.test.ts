// A member that is cut off, first from Redis and then from the other member: its clients go on, nobody splits a session whose owner can be
// reached, and when the cut heals the one with the older epoch gives way.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { codeOf, eventually } from '../support/eventually.ts';
import { freePort, startTcpRelay, type TcpRelay } from '../support/tcp-relay.ts';
import { TestFleet } from '../support/test-fleet.ts';

let toRedis: TcpRelay;
let toMember: TcpRelay;
let nowhere: string;
let fleet: TestFleet;

beforeAll(async () => {
  nowhere = `http://127.0.0.1:${await freePort()}`;
  [toRedis, toMember] = [await startTcpRelay(), await startTcpRelay()];
  fleet = await TestFleet.start({
    members: 2,
    clusterOf: (at, redisUrl) => {
      if (at !== 0) return {};
      if (redisUrl !== '') toRedis.leadTo(redisUrl.replace('redis', 'http'));
      return { redisUrl: toRedis.origin.replace('http', 'redis'), advertiseUrl: toMember.origin };
    },
  });
  toMember.leadTo(fleet.member(0).url);
});
afterAll(async () => {
  await fleet[Symbol.asyncDispose]();
  await toMember[Symbol.asyncDispose]();
  await toRedis[Symbol.asyncDispose]();
});

test('a session whose owner is only cut off from Redis stays there; cut off from all, it goes on for its own client until it learns that it is lost', async () => {
  const own = await fleet.connect(0, 'acme');
  const sandbox = await fleet.openAt(own, 0, { workspace: { retain: 'delete' } });
  const beside = await fleet.connect(1, 'acme');

  toRedis.leadTo(nowhere);
  toRedis.cut();
  const located = () => fleet.ask((store) => store.locate('acme', sandbox.session, sandbox.session));
  expect(await eventually(located, (place) => place.at === 'member' && place.leftMs === 0)).toMatchObject({ leftMs: 0, isBound: false });
  const joined = await beside.open({ session: sandbox.session, role: 'participant' });
  expect(joined.id).toBe(sandbox.id);
  expect(await joined.exec('echo reached')).toMatchObject({ stdout: 'reached\n' });
  await beside.close();

  toMember.leadTo(nowhere);
  toMember.cut();
  const other = await fleet.connect(1, 'acme');
  const moved = await other.open({ session: sandbox.session, workspace: { retain: 'delete' } });
  expect([fleet.ownerOf(moved), moved.created]).toEqual([1, true]);
  expect(await sandbox.exec('echo goes on')).toMatchObject({ stdout: 'goes on\n' });

  toRedis.leadTo(fleet.redis.url.replace('redis', 'http'));
  toMember.leadTo(fleet.member(0).url);
  expect(
    await eventually(
      () => codeOf(sandbox.exec('true')),
      (code) => code !== 'no error',
    ),
  ).toBe('LEASE_LOST');
  const lost = (await fleet.audit(0)).filter(({ kind }) => kind === 'placement.lost');
  expect(lost).toMatchObject([{ sandboxId: sandbox.id }]);
  expect(await moved.exec('echo stays')).toMatchObject({ stdout: 'stays\n' });
});
