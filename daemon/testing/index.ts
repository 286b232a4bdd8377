// cloister/testing: a daemon in the process of the test, without root and without an engine. It confines nothing.

export type { MockAnswer, MockCommands } from './mock-commands.ts';
export { type MockDaemon, type MockDaemonOptions, type MockTokenOptions, startMockDaemon } from './mock-daemon.ts';
