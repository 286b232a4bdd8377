// The real daemon with a real sandbox keeps what the client library promises.

import { afterAll, beforeAll } from 'vitest';
import { clientContract } from '../contract/client-contract.ts';
import { startTestDaemon, type TestDaemon } from '../support/test-daemon.ts';

let daemon: TestDaemon;

beforeAll(async () => {
  daemon = await startTestDaemon();
});
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
});

clientContract('daemon', () => ({ connect: () => daemon.connect('acme') }));
