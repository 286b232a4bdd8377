// Figures: what a record adds to which, and that nobody makes them grow without end.

import { describe, expect, test } from 'vitest';
import type { AuditEntry } from '../../../daemon/observe/audit-record.ts';
import { Metrics } from '../../../daemon/observe/metrics.ts';

async function after(...entries: AuditEntry[]): Promise<string[]> {
  const metrics = new Metrics({ channels: ['stable', 'canary'] });
  for (const entry of entries) metrics.onRecord(entry);
  return (await metrics.text()).split('\n');
}

describe('a record is counted', () => {
  test.each<[string, AuditEntry, readonly string[]]>([
    [
      'a command by outcome, tenant and channel, with what it used',
      {
        kind: 'exec.end',
        tenant: 'acme',
        outcome: 'exited',
        durationMs: 70,
        cpuMs: 500,
        outputBytes: 12,
        labels: { channel: 'canary' },
      },
      [
        'cloister_execs_total{outcome="exited",tenant="acme",channel="canary"} 1',
        'cloister_exec_seconds_bucket{le="0.1",channel="canary"} 1',
        'cloister_exec_seconds_bucket{le="0.05",channel="canary"} 0',
        'cloister_exec_cpu_seconds_total{tenant="acme"} 0.5',
        'cloister_exec_output_bytes_total{tenant="acme"} 12',
        'cloister_oom_kills_total 0',
      ],
    ],
    ['a command that ran out of memory', { kind: 'exec.end', tenant: 'acme', outcome: 'oomKilled' }, ['cloister_oom_kills_total 1']],
    [
      'one that only lost a child to the kernel, too',
      { kind: 'exec.end', tenant: 'acme', outcome: 'exited', notes: ['oomKill'] },
      ['cloister_oom_kills_total 1'],
    ],
    [
      'a claim of a spare',
      { kind: 'sandbox.open', tenant: 'acme', outcome: 'done', startKind: 'warm' },
      ['cloister_opens_total{start="warm",outcome="done",tenant="acme",channel=""} 1'],
    ],
    [
      'an eviction',
      { kind: 'sandbox.close', reason: 'evicted to make room' },
      ['cloister_evictions_total 1', 'cloister_closes_total{reason="evicted"} 1'],
    ],
    [
      'a sandbox that died',
      { kind: 'sandbox.close', reason: 'its init is gone' },
      ['cloister_closes_total{reason="failed"} 1', 'cloister_evictions_total 0'],
    ],
    [
      'a question that nobody answered in time',
      { kind: 'confirm.answer', answer: 'timeout', by: 'timeout' },
      ['cloister_confirmations_total{answer="timeout"} 1'],
    ],
    [
      'one whose client went',
      { kind: 'confirm.answer', answer: 'nobody', by: 'disconnect' },
      ['cloister_confirmations_total{answer="disconnect"} 1'],
    ],
    [
      'a denied connection with its bytes',
      { kind: 'egress.decision', verdict: 'deny', reason: 'privateAddress', bytesUp: 3, bytesDown: 0, labels: { channel: 'stable' } },
      [
        'cloister_egress_decisions_total{verdict="deny",reason="privateAddress",channel="stable"} 1',
        'cloister_egress_bytes_total{direction="up"} 3',
      ],
    ],
    [
      'what a host spent',
      { kind: 'session.report', tenant: 'acme', inputTokens: 10, outputTokens: 5, costUsd: 0.25 },
      [
        'cloister_reported_tokens_total{direction="input",tenant="acme"} 10',
        'cloister_reported_cost_usd_total{tenant="acme",channel=""} 0.25',
      ],
    ],
    ['lost records', { kind: 'audit.dropped', records: 7 }, ['cloister_audit_lost_total 7']],
  ])('%s', async (_, entry, lines) => {
    expect(await after(entry)).toEqual(expect.arrayContaining([...lines]));
  });
});

describe('nobody outside makes the figures grow without end', () => {
  test('tenants beyond the hundredth share a name', async () => {
    const lines = await after(
      ...Array.from({ length: 500 }, (_, index): AuditEntry => ({ kind: 'exec.end', tenant: `t${index}`, outcome: 'exited' })),
    );
    const execs = lines.filter((line) => line.startsWith('cloister_execs_total{'));
    expect(execs).toHaveLength(101);
    expect(execs).toContain('cloister_execs_total{outcome="exited",tenant="_other",channel=""} 400');
  });

  test('a channel that is not configured is not told apart, so no tenant can take the place of one that is', async () => {
    const lines = await after(
      ...Array.from(
        { length: 500 },
        (_, index): AuditEntry => ({ kind: 'exec.end', tenant: 'acme', outcome: 'exited', labels: { channel: `c${index}"\n` } }),
      ),
      { kind: 'exec.end', tenant: 'acme', outcome: 'exited', labels: { channel: 'canary' } },
    );
    expect(lines.filter((line) => line.startsWith('cloister_execs_total{'))).toEqual([
      'cloister_execs_total{outcome="exited",tenant="acme",channel="_other"} 500',
      'cloister_execs_total{outcome="exited",tenant="acme",channel="canary"} 1',
    ]);
  });

  test('figures that are no numbers, or less than nothing, add nothing', async () => {
    const lines = await after(
      { kind: 'session.report', tenant: 'acme', inputTokens: -5, costUsd: 'much' },
      { kind: 'exec.end', tenant: 'acme', outcome: 'exited', cpuMs: Number.NaN },
    );
    expect(lines).toContain('cloister_reported_tokens_total{direction="input",tenant="acme"} 0');
    expect(lines).toContain('cloister_exec_cpu_seconds_total{tenant="acme"} 0');
  });
});
