// An audit log of its own in a directory of its own, and what an intruder does to it.

import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type AuditEntry, AuditLog, type AuditLogOptions } from '../../daemon/observe/audit-log.ts';
import { verifyAuditLog } from '../../daemon/observe/audit-verify.ts';
import { FakeClock } from './fake-clock.ts';

export class AuditHarness implements Disposable {
  readonly directory = mkdtempSync(join(tmpdir(), 'cl-audit-'));
  readonly path = join(this.directory, 'audit.jsonl');
  readonly clock = new FakeClock();
  readonly keys = generateKeyPairSync('ed25519');
  readonly errors: unknown[] = [];

  open(more: Partial<AuditLogOptions> = {}): Promise<AuditLog> {
    return AuditLog.open({
      path: this.path,
      clock: this.clock,
      keys: this.keys,
      rotateBytes: 64 * 1024 * 1024,
      fsync: 'never',
      onFull: 'stop',
      onError: (error) => this.errors.push(error),
      ...more,
    });
  }

  /** A whole life of a daemon that records these. */
  async write(kinds: readonly string[], more: Partial<AuditLogOptions> = {}): Promise<void> {
    const log = await this.open(more);
    // Safe because: of what kind a record is matters to nobody here.
    for (const kind of kinds) log.append({ kind: kind as AuditEntry['kind'], detail: 'with "quotes", a \n newline and ,"hash":"0"}' });
    await log.close();
  }

  verify(): ReturnType<typeof verifyAuditLog> {
    return verifyAuditLog(this.path, this.keys.publicKey);
  }

  files(): string[] {
    return readdirSync(this.directory).sort();
  }

  lines(name = 'audit.jsonl'): string[] {
    return readFileSync(join(this.directory, name), 'utf8').split('\n').slice(0, -1);
  }

  put(lines: readonly string[], name = 'audit.jsonl'): void {
    writeFileSync(join(this.directory, name), lines.map((line) => `${line}\n`).join(''));
  }

  [Symbol.dispose](): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}
