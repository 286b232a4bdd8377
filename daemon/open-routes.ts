// Every HTTP route there is beside those of sandboxes, wired: one list, for the daemon and for the test of who may call what.

import type { Route } from './admin/route.ts';
import { auditRoutes } from './admin/routes-audit.ts';
import { operateRoutes } from './admin/routes-operate.ts';
import { recordingRoutes } from './admin/routes-recordings.ts';
import { tokenRoutes, type TokenRoutesOptions } from './admin/routes-tokens.ts';

type RouteParts = TokenRoutesOptions & Parameters<typeof operateRoutes>[0] & Parameters<typeof recordingRoutes>[0];

export const openRoutes = (parts: RouteParts): readonly Route[] => [
  ...auditRoutes(parts),
  ...operateRoutes(parts),
  ...recordingRoutes(parts),
  ...tokenRoutes(parts),
];
