// The documented conversation, played with the daemon of tests.

import { afterAll, beforeAll } from 'vitest';
import { type MockDaemon, startMockDaemon } from '../../../daemon/testing/index.ts';
import { conversationContract } from '../../contract/conversation-contract.ts';

let daemon: MockDaemon;
beforeAll(async () => {
  daemon = await startMockDaemon({ commands: 'host' });
});
afterAll(() => daemon[Symbol.asyncDispose]());

conversationContract('mock', async () => ({ url: daemon.url, token: await daemon.token() }));
