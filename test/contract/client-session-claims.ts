// What the client library promises of sandboxes and of input it can't take.

import { beforeAll, describe, expect, test } from 'vitest';
import type { Cloister, Sandbox } from '../../client/index.ts';
import { errorOf, MIB, newSession, type ClientSubject } from './client-subject.ts';

export function sessionClaims(subject: ClientSubject): void {
  let cloister: Cloister;
  let sandbox: Sandbox;

  beforeAll(() => {
    ({ cloister, sandbox } = subject);
  });

  describe('sandboxes', () => {
    test('opened twice on one client are one object', async () => {
      const again = await cloister.open({ session: sandbox.session });
      expect(again).toBe(sandbox);
      await again[Symbol.asyncDispose]();
      expect((await sandbox.exec('echo still here')).stdout).toBe('still here\n');
    });

    test('controlled by another client are SESSION_BUSY', async () => {
      const other = await subject.connect();
      expect(await errorOf(other.open({ session: sandbox.session }))).toBe('SESSION_BUSY');
      await other.close();
    });

    test('are listed with what they do', async () => {
      const running = sandbox.exec('sleep 600');
      await sandbox.execs();
      const info = (await cloister.list({ state: 'running' })).find(({ id }) => id === sandbox.id);
      expect(info).toMatchObject({ session: sandbox.session, execs: 1, isControlled: true });
      await running.kill();
      await running;
    });

    test('are extended', async () => {
      const before = Date.now();
      const { expiresAt } = await sandbox.extend({ ttlMs: 3_600_000 });
      expect(Date.parse(expiresAt ?? '')).toBeGreaterThanOrEqual(before + 3_590_000);
    });

    test('closed take no more calls and are gone for others', async () => {
      const closed = await cloister.open({ session: newSession() });
      const execution = closed.exec('sleep 600', { background: true });
      await closed.execs();
      await closed.close({ workspace: 'delete' });
      await closed.close();
      expect((await execution).outcome).toBe('killed');
      expect(await errorOf(closed.exec('true'))).toBe('SESSION_EXPIRED');
      expect(await errorOf(closed.files.list('.'))).toBe('SESSION_EXPIRED');
      expect((await cloister.list()).some(({ id }) => id === closed.id)).toBe(false);
    });

    test('taken over tell their former controller LEASE_LOST', async () => {
      const session = newSession();
      const first = await cloister.open({ session });
      const other = await subject.connect();
      const second = await other.open({ session, takeover: true });
      expect(second.id).toBe(first.id);
      expect(await errorOf(first.exec('true'))).toBe('LEASE_LOST');
      await second.close({ workspace: 'delete' });
      await other.close();
    });

    test('disposed by their scope are closed', async () => {
      let id = '';
      {
        await using scoped = await cloister.open({ session: newSession(), workspace: { retain: 'delete' } });
        ({ id } = scoped);
      }
      expect((await cloister.list()).some((info) => info.id === id)).toBe(false);
    });

    test('carry a receipt of what is enforced', () => {
      expect(sandbox.receipt.sandboxId).toBe(sandbox.id);
      expect(sandbox.receipt.uid).not.toBe(0);
    });
  });

  describe('bad input is refused with a code and leaves the connection unharmed', () => {
    test.each([
      ['a session name with capitals', 'INVALID_REQUEST', (client: Cloister) => client.open({ session: 'NoCapitals' })],
      ['an empty command', 'INVALID_REQUEST', (_: Cloister, box: Sandbox) => box.exec([])],
      ['a NUL byte in a command', 'INVALID_REQUEST', (_: Cloister, box: Sandbox) => box.exec(['echo', 'a\0b'])],
      ['an environment of 10 MB', 'TOO_LARGE', (_: Cloister, box: Sandbox) => box.exec('true', { env: { BIG: 'x'.repeat(10 * MIB) } })],
      [
        'an environment name the loader obeys',
        'INVALID_REQUEST',
        (_: Cloister, box: Sandbox) => box.exec('true', { env: { LD_PRELOAD: 'x' } }),
      ],
      ['a sandbox of nobody', 'NOT_FOUND', (client: Cloister) => client.closeSandbox(`sb_${'a'.repeat(20)}`)],
      ['a NUL byte in a path', 'INVALID_REQUEST', (_: Cloister, box: Sandbox) => box.files.read('a\0b')],
    ])('%s is %s', async (_, code, call) => {
      expect(await errorOf(call(cloister, sandbox))).toBe(code);
      expect((await sandbox.exec('echo fine')).stdout).toBe('fine\n');
    });
  });
}
