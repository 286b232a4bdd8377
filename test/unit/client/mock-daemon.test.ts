// What cloister/testing promises beside the client contract: answers instead of commands, the daemon's own rules, tenants apart.

import { describe, expect, test } from 'vitest';
import { verifyReceipt } from '../../../client/index.ts';
import { startMockDaemon } from '../../../daemon/testing/index.ts';
import { codeOf } from '../../support/eventually.ts';

describe('commands', () => {
  test('are answered from a table, as text or argv; what it does not have ends 127 and runs nothing', async () => {
    await using daemon = await startMockDaemon({
      commands: { 'npm test': { stdout: 'fail\n', stderr: 'why\n', exitCode: 1 }, 'git status': { stdout: 'clean\n' } },
    });
    const cloister = await daemon.connect();
    await using sandbox = await cloister.open({ session: 'one' });
    expect(await sandbox.exec('npm test')).toMatchObject({ outcome: 'exited', exitCode: 1, stdout: 'fail\n', stderr: 'why\n' });
    expect(await sandbox.exec(['git', 'status'])).toMatchObject({ exitCode: 0, stdout: 'clean\n' });
    const unknown = await sandbox.exec('touch was-run');
    expect(unknown).toMatchObject({ exitCode: 127, stderr: 'cloister/testing: no answer is given for "touch was-run"\n' });
    expect(await sandbox.files.exists('was-run')).toBe(false);
  });

  test('are answered by a function, after some time, and can be ended before', async () => {
    await using daemon = await startMockDaemon({
      commands: (command) => (command.startsWith('sleep') ? { afterMs: 600_000 } : { stdout: command }),
    });
    const cloister = await daemon.connect();
    await using sandbox = await cloister.open({ session: 'one' });
    expect((await sandbox.exec('anything at all')).stdout).toBe('anything at all');
    expect((await sandbox.exec('sleep', { timeoutMs: 200 })).outcome).toBe('timedOut');
  });

  test('with an answer that no process can be given say so', async () => {
    await using daemon = await startMockDaemon({ commands: { long: { stdout: 'x'.repeat(200_000) } } });
    const cloister = await daemon.connect();
    await using sandbox = await cloister.open({ session: 'one' });
    expect((await sandbox.exec('long')).stderr).toContain('an answer has at most');
  });
});

describe('the rules', () => {
  test('are the daemon’s own: the floor refuses, a confirmation is asked for, a profile is held to', async () => {
    const rules = [
      { tool: 'exec', args: { command: 'deploy*' }, action: 'ask', reason: 'deploying is asked about' },
      { preset: 'profile' },
    ];
    await using daemon = await startMockDaemon({ commands: () => ({ stdout: 'ran\n' }), config: { permissions: { rules } } });
    const asked: string[] = [];
    const cloister = await daemon.connect({
      onConfirm: async ({ summary }) => {
        asked.push(summary);
        return 'deny';
      },
    });
    await using sandbox = await cloister.open({ session: 'one' });
    expect(await sandbox.exec('rm -rf /')).toMatchObject({ outcome: 'denied', rule: 'floor.recursiveDelete' });
    expect((await sandbox.exec('deploy now')).outcome).toBe('denied');
    expect(asked.length).toBe(1);
    await using reading = await cloister.open({ session: 'two', profile: 'readonly' });
    expect(await codeOf(reading.files.write('x', 'y'))).toBe('PERMISSION_DENIED');
    expect(await codeOf(cloister.open({ session: 'three', profile: 'unknown' }))).toBe('PROFILE_UNKNOWN');
  });

  test('keep tenants apart, and tokens to what they allow', async () => {
    await using daemon = await startMockDaemon();
    const [one, other] = [await daemon.connect({ tenant: 'one' }), await daemon.connect({ tenant: 'other' })];
    await using sandbox = await one.open({ session: 'mine' });
    expect(await other.list()).toEqual([]);
    expect(await codeOf(other.closeSandbox(sandbox.id))).toBe('NOT_FOUND');
    const reading = await daemon.connect({ token: await daemon.token('one', { isReadOnly: true }) });
    expect(await codeOf(reading.open({ session: 'new' }))).toBe('FORBIDDEN');
  });

  test('hold of ceilings in the configuration', async () => {
    await using daemon = await startMockDaemon({ config: { ceilings: { perTenant: { sandboxes: 1 } } } });
    const cloister = await daemon.connect();
    await using _first = await cloister.open({ session: 'one' });
    expect(await codeOf(cloister.open({ session: 'two' }))).toBe('QUOTA_EXCEEDED');
  });
});

describe('what it does not do', () => {
  test('the receipt says mock, is signed, and claims no protection', async () => {
    await using daemon = await startMockDaemon();
    const cloister = await daemon.connect();
    await using sandbox = await cloister.open({ session: 'one' });
    expect(sandbox.receipt).toMatchObject({ runtime: 'mock', noNewPrivs: false, seccomp: { mode: 0, profile: 'mock' } });
    expect(verifyReceipt(sandbox.receipt, cloister.receiptKey)).toBe(true);
  });

  test('workspaces are kept between sessions, snapshots and differences told, as long as it lives', async () => {
    await using daemon = await startMockDaemon();
    const cloister = await daemon.connect();
    {
      await using sandbox = await cloister.open({ session: 'one' });
      await sandbox.files.write('a', '1');
      await sandbox.workspace.snapshot('before');
      await sandbox.files.write('a', '2');
      expect((await sandbox.workspace.diff({ since: 'before' })).changes).toMatchObject([{ path: 'a', kind: 'changed' }]);
    }
    await using again = await cloister.open({ session: 'one' });
    expect(await again.files.readText('a')).toBe('2');
  });
});
