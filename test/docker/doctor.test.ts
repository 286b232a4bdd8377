// The pre-launch checklist of a real daemon's host: its own state passes, and what is spoilt fails, with exit code 1.

import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { runCli } from '../../daemon/cli/program.ts';
import { cliProcess } from '../support/cli-process.ts';
import { startTestDaemon, type TestDaemon } from '../support/test-daemon.ts';

const Report = z.object({ verdict: z.string(), findings: z.array(z.object({ id: z.string(), verdict: z.string(), detail: z.string() })) });
let daemon: TestDaemon;

beforeAll(async () => {
  daemon = await startTestDaemon();
});
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
});

async function doctor(...more: string[]): Promise<{ code: number; text: string }> {
  const [out, err] = [new PassThrough(), new PassThrough()];
  const code = await runCli(['doctor', '--state-dir', daemon.stateDir, ...more], cliProcess({ out, err }));
  return { code, text: String(out.read() ?? '') + String(err.read() ?? '') };
}

async function verdicts(...more: string[]): Promise<{ code: number; of: Record<string, string> }> {
  const { code, text } = await doctor('--json', ...more);
  const { findings } = Report.parse(JSON.parse(text));
  return {
    code,
    of: Object.fromEntries(findings.map(({ id, verdict, detail }) => [id, verdict === 'fail' ? `fail: ${detail}` : verdict])),
  };
}

test('nothing of a fresh daemon fails, and its engine, state and log pass', async () => {
  const { code, of } = await verdicts();
  expect(Object.entries(of).filter(([, verdict]) => verdict.startsWith('fail'))).toEqual([]);
  expect(of).toMatchObject({ platform: 'pass', engine: 'pass', 'state-directory': 'pass', 'audit-chain': 'pass', 'token-age': 'pass' });
  expect(code).toBe(0);
  expect((await doctor()).text).toMatch(/\d+ passed, \d+ to look at, 0 failed\n$/);
});

test('a key that others may read fails', async () => {
  const key = join(daemon.stateDir, 'keys', 'receipt-ed25519.pem');
  await chmod(key, 0o644);
  const { code, of } = await verdicts();
  await chmod(key, 0o600);
  expect(of['state-directory']).toMatch(/^fail: others may read or write: .*receipt-ed25519\.pem \(mode 0644, uid 0\)/);
  expect(code).toBe(1);
});

test('a record that was changed fails', async () => {
  const path = join(daemon.stateDir, 'audit.jsonl');
  const log = await readFile(path, 'utf8');
  await writeFile(path, log.replace('daemon.start', 'daemon.stort'));
  const { code, of } = await verdicts();
  await writeFile(path, log);
  expect(of['audit-chain']).toMatch(/^fail: .*audit\.jsonl, line 1: /);
  expect(code).toBe(1);
});
