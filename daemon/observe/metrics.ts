// The figures that are counted as things happen: what there is, under which names and labels. Filled from the audit log, so a
// figure and the records behind it never disagree, and from the gateway's calls. Knows nothing of sessions or sockets.

import { Counter, Histogram, Registry } from 'prom-client';
import type { AuditEntry } from './audit-record.ts';
import { BoundedLabel, OTHER } from './metrics-label.ts';
import { closeReasonOf } from './metrics-reason.ts';

/** Tenants that have figures of their own; what further ones do is under one name. */
const MAX_TENANTS = 100;
const MAX_REASONS = 64;
const LATENCY = [0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const DURATION = [0.01, 0.05, 0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600];
/** Notes of a command that say that the kernel ended something for want of memory. */
const OOM_NOTE = 'oomKill';

export interface MetricsOptions {
  /** Values of the label `channel` that are told apart; tenants choose labels, so any other one is not. */
  readonly channels: readonly string[];
}

export class Metrics {
  readonly registry = new Registry();
  readonly #tenants = new BoundedLabel(MAX_TENANTS);
  readonly #reasons = new BoundedLabel(MAX_REASONS);
  readonly #alerts = new BoundedLabel(MAX_REASONS);
  readonly #channels: ReadonlySet<string>;
  #gathering: Promise<string> | null = null;
  readonly #opens = this.#counter('cloister_opens_total', 'Sandboxes started or refused to start', [
    'start',
    'outcome',
    'tenant',
    'channel',
  ]);
  readonly #openSeconds = this.#histogram('cloister_open_seconds', 'How long open took; start warm is the claim of a spare', ['start']);
  readonly #closes = this.#counter('cloister_closes_total', 'Sandboxes that ended, by why', ['reason']);
  readonly #evictions = this.#counter('cloister_evictions_total', 'Sessions closed to make room for others');
  readonly #execs = this.#counter('cloister_execs_total', 'Commands by how they ended', ['outcome', 'tenant', 'channel']);
  readonly #execSeconds = this.#histogram('cloister_exec_seconds', 'How long commands ran', ['channel'], DURATION);
  readonly #overheadSeconds = this.#histogram(
    'cloister_exec_overhead_seconds',
    "What a call of exec took beyond the command's own time; reading its output is part of it",
  );
  readonly #cpuSeconds = this.#counter('cloister_exec_cpu_seconds_total', 'Processor time of commands', ['tenant']);
  readonly #outputBytes = this.#counter('cloister_exec_output_bytes_total', 'Output of commands', ['tenant']);
  readonly #oomKills = this.#counter('cloister_oom_kills_total', 'Commands in which the kernel killed something for want of memory');
  readonly #fileSeconds = this.#histogram('cloister_file_seconds', 'How long file calls took', ['operation']);
  readonly #calls = this.#counter('cloister_calls_total', 'Calls of clients by operation; code is ok or that of the error', [
    'operation',
    'code',
  ]);
  readonly #denials = this.#counter('cloister_denials_total', 'Calls and connections that were refused', ['code']);
  readonly #decisions = this.#counter('cloister_decisions_total', 'Decisions of the permission rules', ['verdict', 'channel']);
  readonly #confirmations = this.#counter('cloister_confirmations_total', 'Questions to people, by the answer', ['answer']);
  readonly #egress = this.#counter('cloister_egress_decisions_total', 'Connections and requests of sandboxes', [
    'verdict',
    'reason',
    'channel',
  ]);
  readonly #egressBytes = this.#counter('cloister_egress_bytes_total', 'Bytes through the egress proxy', ['direction']);
  readonly #raised = this.#counter('cloister_alerts_total', 'What the daemon itself raises an alarm for', ['what']);
  readonly #auditRecords = this.#counter('cloister_audit_records_total', 'Records of the audit log');
  readonly #auditLost = this.#counter('cloister_audit_lost_total', 'Records that found no room on the disk');
  readonly #configChanges = this.#counter('cloister_config_changes_total', 'Changes of the configuration in force', ['how']);
  readonly #tokens = this.#counter('cloister_reported_tokens_total', 'Tokens that hosts say their models used', ['direction', 'tenant']);
  readonly #cost = this.#counter('cloister_reported_cost_usd_total', 'Dollars that hosts say their models cost', ['tenant', 'channel']);

  constructor(options: MetricsOptions) {
    this.#channels = new Set(options.channels);
  }

  /** A record of the audit log. */
  onRecord(entry: AuditEntry): void {
    this.#auditRecords.inc();
    const tenant = (): string => this.tenantLabel(entry['tenant']);
    const channel = (): string => this.#channelOf(entry['labels']);
    switch (entry.kind) {
      case 'exec.end':
        return this.#execEnded(entry, tenant(), channel());
      case 'sandbox.open':
        this.#opens.inc({ start: text(entry['startKind'], 'none'), outcome: text(entry['outcome']), tenant: tenant(), channel: channel() });
        return;
      case 'sandbox.close': {
        const reason = closeReasonOf(text(entry['reason']));
        this.#closes.inc({ reason });
        if (reason === 'evicted') this.#evictions.inc();
        return;
      }
      case 'decision':
        return this.#decisions.inc({ verdict: text(entry['verdict']), channel: channel() });
      case 'confirm.answer':
        return this.#confirmations.inc({ answer: answerOf(entry) });
      case 'egress.decision':
        this.#egress.inc({ verdict: text(entry['verdict']), reason: this.#reasons.of(text(entry['reason'])), channel: channel() });
        this.#egressBytes.inc({ direction: 'up' }, count(entry['bytesUp']));
        this.#egressBytes.inc({ direction: 'down' }, count(entry['bytesDown']));
        return;
      case 'denied':
        return this.#denials.inc({ code: text(entry['code']) });
      case 'alert':
        return this.#raised.inc({ what: this.#alerts.of(text(entry['what'])) });
      case 'audit.dropped':
        return this.#auditLost.inc(count(entry['records']));
      case 'config.change':
        return this.#configChanges.inc({ how: text(entry['how']) });
      case 'config.refused':
        return this.#configChanges.inc({ how: 'refused' });
      case 'session.report':
        this.#tokens.inc({ direction: 'input', tenant: tenant() }, count(entry['inputTokens']));
        this.#tokens.inc({ direction: 'output', tenant: tenant() }, count(entry['outputTokens']));
        this.#cost.inc({ tenant: tenant(), channel: channel() }, count(entry['costUsd']));
        return;
      default:
        return;
    }
  }

  /** A call of a client was answered. */
  called(operation: string, code: string, seconds: number): void {
    this.#calls.inc({ operation, code });
    if (operation.startsWith('files.') && operation !== 'files.watch') this.#fileSeconds.observe({ operation }, seconds);
  }

  opened(start: string, seconds: number): void {
    this.#openSeconds.observe({ start }, seconds);
  }

  /** A call of exec lasted for that long beyond its command. */
  execAnswered(overheadSeconds: number): void {
    this.#overheadSeconds.observe(Math.max(0, overheadSeconds));
  }

  tenantLabel(tenant: unknown): string {
    return this.#tenants.of(text(tenant, ''));
  }

  /** What Prometheus reads. Asked for again while it is gathered, it is gathered once. */
  async text(): Promise<string> {
    this.#gathering ??= this.registry.metrics().finally(() => (this.#gathering = null));
    return await this.#gathering;
  }

  #execEnded(entry: AuditEntry, tenant: string, channel: string): void {
    const outcome = text(entry['outcome']);
    this.#execs.inc({ outcome, tenant, channel });
    if (typeof entry['durationMs'] === 'number') this.#execSeconds.observe({ channel }, entry['durationMs'] / 1000);
    this.#cpuSeconds.inc({ tenant }, count(entry['cpuMs']) / 1000);
    this.#outputBytes.inc({ tenant }, count(entry['outputBytes']));
    const notes = Array.isArray(entry['notes']) ? (entry['notes'] as unknown[]) : [];
    if (outcome === 'oomKilled' || notes.includes(OOM_NOTE)) this.#oomKills.inc();
  }

  /** Empty without the label; a value that is not configured is not told apart. */
  #channelOf(labels: unknown): string {
    const value = typeof labels === 'object' && labels !== null && 'channel' in labels ? labels.channel : undefined;
    if (typeof value !== 'string') return '';
    return this.#channels.has(value) ? value : OTHER;
  }

  #counter(name: string, help: string, labelNames: readonly string[] = []): Counter {
    return new Counter({ name, help, labelNames: [...labelNames], registers: [this.registry] });
  }

  #histogram(name: string, help: string, labelNames: readonly string[] = [], buckets: readonly number[] = LATENCY): Histogram {
    return new Histogram({ name, help, labelNames: [...labelNames], buckets: [...buckets], registers: [this.registry] });
  }
}

const text = (value: unknown, otherwise = 'unknown'): string => (typeof value === 'string' ? value : otherwise);
const count = (value: unknown): number => (typeof value === 'number' && Number.isFinite(value) && value > 0 ? value : 0);

/** What nobody said is told apart: no answer in time is something to be alarmed about, a client that went is not. */
function answerOf(entry: AuditEntry): string {
  const answer = text(entry['answer']);
  return answer === 'nobody' ? text(entry['by']) : answer;
}
