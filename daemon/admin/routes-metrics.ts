// GET /metrics: figures for Prometheus. They are of every tenant, so they are an operator's to read; reading is enough.

import { SandboxError } from '../../client/protocol/errors.ts';
import type { Metrics } from '../observe/metrics.ts';
import type { Route } from './route.ts';

export const METRICS_PATH = '/metrics';

export function metricsRoutes({ metrics }: { readonly metrics: Pick<Metrics, 'text' | 'registry'> }): Route[] {
  return [
    {
      method: 'GET',
      path: METRICS_PATH,
      handle: ({ principal }) => {
        if (principal.role !== 'operator')
          throw new SandboxError('FORBIDDEN', 'Cannot read metrics: only operators may', {
            hint: 'Use a token of role operator; a read-only one is enough.',
          });
        return {
          status: 200,
          contentType: metrics.registry.contentType,
          stream: async function* () {
            yield await metrics.text();
          },
        };
      },
    },
  ];
}
