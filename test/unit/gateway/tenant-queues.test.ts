// What a tenant leaves unread, on however many connections, is bounded: its own connections go, and nobody else's.

import { expect, test } from 'vitest';
import { MAX_TENANT_BYTES } from '../../../daemon/gateway/tenant-queues.ts';
import { principal } from '../../support/fake-sandbox.ts';
import { type Client, gate } from './wire.ts';

const MIB = 1024 * 1024;
/** Enough traffic for the daemon to look. */
const talk = async (client: Client): Promise<void> => {
  for (let times = 0; times < 9; times += 1) await client.outcome('list', { labels: { x: 'y'.repeat(MIB) } });
};

test('of a tenant over its limit the connections go that hold most, until the rest fits', async () => {
  const here = gate();
  const holding = async (share: number, who = principal()): Promise<Client> => {
    const client = await here.greet(who);
    client.socket.bufferedAmount = MAX_TENANT_BYTES * share;
    return client;
  };
  const clients = [await holding(0.3), await holding(0.5), await holding(0.2), await holding(0.4)];
  const other = await holding(0.9, principal({ tenant: 'globex' }));
  const talking = await here.greet(principal({ tenant: 'initech' }));
  await talk(talking);
  expect([...clients, other].map(({ socket }) => socket.isTerminated)).toEqual([false, true, false, false, false]);
  await talk(talking);
  expect([...clients, other].map(({ socket }) => socket.isTerminated)).toEqual([false, true, false, false, false]);
});

test('requests that wait for their answers count, and no more once they are answered', async () => {
  const here = gate();
  let start: () => void = () => undefined;
  here.maker.making = new Promise((resolve) => (start = resolve));
  const client = await here.greet();
  const opening = client.outcome('open', { session: 's', labels: { x: 'y'.repeat(200) } });
  await opening;
  expect(client.connection.queuedBytes).toBeGreaterThan(200);
  start();
  await client.outcome('list', {});
  expect(client.connection.queuedBytes).toBe(0);
});
