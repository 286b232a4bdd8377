// What the client library promises against any daemon. One suite, run on the real daemon and on stand-ins that speak its protocol.

import { afterAll, beforeAll, describe } from 'vitest';
import type { Cloister, Sandbox } from '../../client/index.ts';
import { commandClaims } from './client-command-claims.ts';
import { fileClaims } from './client-files-claims.ts';
import { outputClaims } from './client-output-claims.ts';
import { sessionClaims } from './client-session-claims.ts';
import { newSession } from './client-subject.ts';
import { textClaims } from './client-text-claims.ts';

export interface ClientUnderTest {
  /** A client of its own each time. */
  connect(): Promise<Cloister>;
}

export function clientContract(kind: string, underTest: () => ClientUnderTest): void {
  describe(`client (${kind})`, () => {
    let cloister: Cloister;
    let sandbox: Sandbox;

    beforeAll(async () => {
      cloister = await underTest().connect();
      sandbox = await cloister.open({ session: newSession() });
    });
    afterAll(async () => {
      await sandbox.close({ workspace: 'delete' });
      await cloister.close();
    });

    const subject = {
      connect: () => underTest().connect(),
      get cloister() {
        return cloister;
      },
      get sandbox() {
        return sandbox;
      },
    };
    for (const claims of [commandClaims, outputClaims, fileClaims, textClaims, sessionClaims]) claims(subject);
  });
}
