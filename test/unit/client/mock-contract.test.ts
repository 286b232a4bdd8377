// The daemon of cloister/testing keeps the client contract that the real daemon keeps.

import { afterAll, beforeAll } from 'vitest';
import { type MockDaemon, startMockDaemon } from '../../../daemon/testing/index.ts';
import { clientContract } from '../../contract/client-contract.ts';

let daemon: MockDaemon;

beforeAll(async () => {
  daemon = await startMockDaemon({ commands: 'host' });
});
afterAll(() => daemon[Symbol.asyncDispose]());

clientContract('mock', () => ({ connect: () => daemon.connect() }));
