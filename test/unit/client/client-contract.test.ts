// The client's own peer keeps the client contract, so that tests against it mean something.

import { afterAll, beforeAll } from 'vitest';
import { Cloister } from '../../../client/index.ts';
import { clientContract } from '../../contract/client-contract.ts';
import { ProtocolPeer } from '../../support/protocol-peer.ts';

let peer: ProtocolPeer;

beforeAll(async () => {
  peer = await ProtocolPeer.start();
});
afterAll(async () => {
  await peer[Symbol.asyncDispose]();
});

clientContract('test peer', () => ({ connect: () => Cloister.connect({ url: peer.url, token: peer.token }) }));
