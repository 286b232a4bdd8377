import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { AuditLog } from '../../../daemon/observe/audit-log.ts';
import { verifyAuditLog } from '../../../daemon/observe/audit-verify.ts';

const clock = { now: () => 1_800_000_000_000, after: () => () => undefined };
let directory = '';
let path = '';

function write(...kinds: readonly string[]): void {
  const log = AuditLog.open(path, clock);
  for (const kind of kinds) log.append({ kind, detail: 'with "quotes", a \n newline and ,"hash":"0"}' });
  log.close();
}

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'cl-audit-'));
  path = join(directory, 'audit.jsonl');
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

describe('the audit log', () => {
  test('is a chain that holds over several openings', async () => {
    write('a', 'b');
    write('c');
    expect(await verifyAuditLog(path)).toEqual({ verdict: 'holds', records: 3 });
  });

  test('states number, time and the hash before in every record', () => {
    write('a', 'b');
    const [first, second] = readFileSync(path, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(first).toMatchObject({ seq: 1, kind: 'a', at: '2027-01-15T08:00:00.000Z', prev: '0'.repeat(64) });
    expect(second).toMatchObject({ seq: 2, kind: 'b', prev: first?.['hash'] });
  });

  const tampering: Record<string, (lines: string[]) => string[]> = {
    'a changed field is seen at its line': (lines) => lines.map((line, at) => (at === 1 ? line.replace('"kind":"b"', '"kind":"x"') : line)),
    'a removed line is seen at the next one': (lines) => lines.filter((_, at) => at !== 1),
    'two lines that changed places are seen': (lines) => [lines[0] ?? '', lines[2] ?? '', lines[1] ?? ''],
    'a line that is not JSON is seen': (lines) => lines.map((line, at) => (at === 1 ? line.slice(5) : line)),
  };
  test.each(Object.entries(tampering))('%s', async (_claim, tamper) => {
    write('a', 'b', 'c');
    writeFileSync(path, `${tamper(readFileSync(path, 'utf8').trim().split('\n')).join('\n')}\n`);
    expect(await verifyAuditLog(path)).toMatchObject({ verdict: 'broken', line: 2 });
  });

  test('goes on after a torn last line, which was never acknowledged', async () => {
    write('a', 'b');
    appendFileSync(path, '{"seq":3,"kind":"torn');
    write('c');
    expect(await verifyAuditLog(path)).toEqual({ verdict: 'holds', records: 3 });
  });
});
