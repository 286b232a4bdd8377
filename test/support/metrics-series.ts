// Every series that the daemon can have, with what Prometheus makes of histograms.

import { systemClock } from '../../daemon/observe/clock.ts';
import { Metrics } from '../../daemon/observe/metrics.ts';
import { addGauges } from '../../daemon/observe/metrics-gauges.ts';

export async function metricsSeries(): Promise<ReadonlySet<string>> {
  const { registry } = new Metrics({ channels: ['canary'] });
  addGauges({
    registry,
    version: '1',
    sandboxes: () => [],
    tenantLabel: (tenant) => tenant,
    maxSandboxes: 1,
    creating: 1,
    spares: () => ({ free: 0, wanted: 0 }),
    confirmations: () => 0,
    connections: () => 0,
    egressRestarts: () => 0,
    pingEngine: async () => undefined,
    disks: { state: '/' },
    clock: systemClock,
  });
  const described = await registry.getMetricsAsJSON();
  return new Set(
    described.flatMap(({ name, type }) => (String(type) === 'histogram' ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name])),
  );
}
