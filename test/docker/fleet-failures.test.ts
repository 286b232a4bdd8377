// Members of a fleet that are killed, and a Redis that goes away: what clients see, and that no session ever has two owners.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Cloister, Execution, Sandbox } from '../../client/index.ts';
import { codeOf, eventually } from '../support/eventually.ts';
import { TestFleet } from '../support/test-fleet.ts';

/** Says where it is and waits to be told to go on, so that a test can do something in between. */
const UNTIL_TOLD = 'echo begun; until [ -e go ]; do sleep 0.1; done; echo done';

let fleet: TestFleet;
let client: Cloister;

beforeAll(async () => {
  fleet = await TestFleet.start({ members: 2, isFirstSpawned: true });
  // Of the member that stays.
  client = await fleet.connect(1, 'acme');
});
afterAll(async () => {
  await fleet[Symbol.asyncDispose]();
});

/** Has begun, and ends once there is a file `go`. */
async function startWaiting(sandbox: Sandbox): Promise<{ readonly running: Execution }> {
  let resolve = (): void => undefined;
  const promise = new Promise<void>((done) => (resolve = done));
  const running = sandbox.exec(UNTIL_TOLD, { onStdout: () => resolve() });
  await promise;
  // Not by itself: it would be waited for.
  return { running };
}

describe('in a fleet of two', () => {
  test('Redis away: sessions go on through any member, new ones are refused with a time to try again, and work when it is back', async () => {
    const sandbox = await fleet.openAt(client, 0);
    const { running } = await startWaiting(sandbox);
    await fleet.redis.kill();
    const refused = await client.open({ session: 'new' }).catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: 'CAPACITY', retry: 'later' });
    expect(await sandbox.exec('echo still')).toMatchObject({ outcome: 'exited', stdout: 'still\n' });
    const beside = await fleet.connect(1, 'acme');
    const joined = await beside.open({ session: sandbox.session, role: 'participant' });
    await joined.files.write('go', '');
    expect(await running).toMatchObject({ outcome: 'exited', stdout: 'begun\ndone\n' });
    await fleet.redis.restart();
    await (await fleet.openAt(client, 1)).close({ workspace: 'delete' });
    await sandbox.close({ workspace: 'delete' });
  });

  test('a Redis that has lost its data is told by the members what they have, before it places anything', async () => {
    const sandbox = await fleet.openAt(client, 0);
    await fleet.redis.restart({ isEmpty: true });
    const stranger = await fleet.connect(1, 'acme');
    const codes = new Set<unknown>();
    await eventually(
      async () => {
        const code = await codeOf(stranger.open({ session: sandbox.session }));
        codes.add(code);
        return code;
      },
      (code) => code === 'SESSION_BUSY',
    );
    expect([...codes].filter((code) => code !== 'CAPACITY')).toEqual(['SESSION_BUSY']);
    expect(await sandbox.exec('echo same')).toMatchObject({ stdout: 'same\n' });
    await sandbox.close({ workspace: 'delete' });
  });

  test('kill -9 of the owner: a pause, OWNER_UNAVAILABLE for others meanwhile, and the command ends as if nothing had been', async () => {
    const sandbox = await fleet.openAt(client, 0);
    const { running } = await startWaiting(sandbox);
    await fleet.crash();
    const other = await fleet.connect(1, 'acme');
    const refused = await other.open({ session: sandbox.session, role: 'participant' }).catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: 'OWNER_UNAVAILABLE', retry: 'later' });
    await fleet.restart(0);
    const joined = await eventually(
      () => other.open({ session: sandbox.session, role: 'participant' }).catch(() => null),
      (result) => result !== null,
    );
    await joined!.files.write('go', '');
    expect(await running).toMatchObject({ outcome: 'exited', exitCode: 0, stdout: 'begun\ndone\n' });
    await sandbox.close({ workspace: 'delete' });
  });

  test('a lost member: what is bound to it waits unless asked to begin afresh, the rest moves; it fences itself when it is back', async () => {
    const kept = await fleet.openAt(client, 0);
    const passing = await fleet.openAt(client, 0, { workspace: { retain: 'delete' } });
    await kept.files.write('here', '');
    await fleet.crash();
    const other = await fleet.connect(1, 'acme');
    const moved = await eventually(
      () => other.open({ session: passing.session, workspace: { retain: 'delete' } }).catch((error: unknown) => error as { code: string }),
      (result) => !('code' in result),
    );
    expect(moved).toMatchObject({ created: true });
    expect(await codeOf(other.open({ session: kept.session }))).toBe('OWNER_UNAVAILABLE');
    const fresh = await other.open({ session: kept.session, onOwnerLoss: 'fresh' });
    expect(fleet.ownerOf(fresh)).toBe(1);
    expect(await fresh.files.exists('here')).toBe(false);

    await fleet.restart(0);
    const lost = await eventually(
      async () => (await fleet.audit(0)).filter(({ kind }) => kind === 'placement.lost').map(({ sandboxId }) => sandboxId),
      (ids) => ids.length === 2,
    );
    expect(new Set(lost)).toEqual(new Set([kept.id, passing.id]));
    expect(
      await eventually(
        () => fleet.member(0).containers(),
        (all) => all.length === 0,
      ),
    ).toEqual([]);
    expect(await fresh.exec('echo mine')).toMatchObject({ stdout: 'mine\n' });
    const again = await fleet.connect(0, 'acme');
    expect(await codeOf(again.open({ session: kept.session }))).toBe('SESSION_BUSY');
  });

  test('no session had two owners at any time, by the audit logs of all', async () => {
    const acquired = new Map<string, { readonly epoch: number; readonly at: number }[]>();
    for (const at of [0, 1]) {
      for (const record of await fleet.audit(at)) {
        if (record.kind !== 'placement.acquire') continue;
        const { session, epoch } = record as unknown as { session: string; epoch: number };
        acquired.set(session, [...(acquired.get(session) ?? []), { epoch, at }]);
      }
    }
    for (const owners of acquired.values()) expect(new Set(owners.map(({ epoch }) => epoch)).size).toBe(owners.length);
    expect(acquired.size).toBeGreaterThan(4);
  });
});
