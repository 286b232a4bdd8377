// The documented conversation, played with the real daemon and a real sandbox.

import { afterAll, beforeAll } from 'vitest';
import { conversationContract } from '../contract/conversation-contract.ts';
import { startTestDaemon, type TestDaemon } from '../support/test-daemon.ts';

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startTestDaemon();
});
afterAll(() => daemon[Symbol.asyncDispose]());

conversationContract('daemon', async () => ({ url: daemon.url, token: await daemon.token('acme') }));
