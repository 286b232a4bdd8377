// Metrics and traces, wired: what they are filled from and who may read them. A part of the composition root.

import { join } from 'node:path';
import { MetricsListener } from './admin/metrics-listener.ts';
import type { Route } from './admin/route.ts';
import { metricsRoutes } from './admin/routes-metrics.ts';
import type { Principal } from './auth/principal.ts';
import type { Config } from './config.ts';
import type { OpenedEngine } from './container/open-engine.ts';
import { splitAddress } from './listen-address.ts';
import type { AuditLog } from './observe/audit-log.ts';
import type { Clock } from './observe/clock.ts';
import type { Log } from './observe/log.ts';
import { Metrics } from './observe/metrics.ts';
import { addGauges } from './observe/metrics-gauges.ts';
import { openTracer, type Tracer } from './observe/trace.ts';
import type { OpenedSessions } from './open-sessions.ts';

interface TelemetryParts {
  readonly config: Config;
  readonly stateDir: string;
  readonly version: string;
  readonly instanceId: string;
  readonly engine: OpenedEngine;
  readonly audit: AuditLog;
  readonly sessions: Pick<OpenedSessions, 'pool' | 'confirmations' | 'spares' | 'egress'>;
  readonly connections: () => Iterable<unknown>;
  readonly undo: (step: () => Promise<void> | void) => void;
  readonly clock: Clock;
  readonly log: Log;
}

export interface OpenedTelemetry {
  readonly metrics: Metrics;
  readonly tracer: Tracer | null;
  readonly elapsed: () => number;
  readonly routes: readonly Route[];
}

/** Sees what every tenant has; holds no token. */
const EVERYTHING: Principal = {
  tenant: null,
  role: 'operator',
  session: null,
  isReadOnly: true,
  tokenId: 'metrics',
  expiresAt: Number.POSITIVE_INFINITY,
};

export async function openTelemetry(parts: TelemetryParts): Promise<OpenedTelemetry> {
  const { config, engine, version, sessions, clock, log } = parts;
  const { pool, confirmations, egress } = sessions;
  const { channels, metricsListen, otlpUrl } = config.telemetry;
  const metrics = new Metrics({ channels });
  addGauges({
    registry: metrics.registry,
    version,
    sandboxes: () => pool.list({}, EVERYTHING).map((session) => session.info()),
    tenantLabel: (tenant) => metrics.tenantLabel(tenant),
    maxSandboxes: config.pool.maxSessions,
    creating: config.pool.creating,
    spares: sessions.spares,
    confirmations: () => confirmations.list().length,
    connections: () => [...parts.connections()].length,
    egressRestarts: () => egress.counts().restarts,
    pingEngine: () => engine.driver.ping(),
    disks: { state: parts.stateDir, workspaces: join(parts.stateDir, 'pool') },
    clock,
  });
  parts.undo(parts.audit.onAppend((entry) => metrics.onRecord(entry)));
  const tracer = otlpUrl === undefined ? null : await openTracer({ url: otlpUrl, version, instanceId: parts.instanceId, log });
  if (tracer !== null) parts.undo(() => tracer.stop());
  if (metricsListen !== undefined) {
    const listener = new MetricsListener({ ...splitAddress(metricsListen), metrics, log });
    const address = await listener.listen();
    log.info({ address }, 'metrics are served without a token');
    parts.undo(() => listener.close());
  }
  return { metrics, tracer, elapsed: () => performance.now(), routes: metricsRoutes({ metrics }) };
}
