// GET /v1/audit: the records a token may see, one JSON line each, and with `follow` those to come.

import { z } from 'zod';
import { maySeeRecord } from '../auth/access.ts';
import type { AuditLog } from '../observe/audit-log.ts';
import { type AuditFilter, queryAudit } from '../observe/audit-query.ts';
import type { Clock } from '../observe/clock.ts';
import { parseInput, type Route } from './route.ts';

const DEFAULT_LIMIT = 10_000;
const UNITS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

const Query = z.strictObject({
  tenant: z.string().max(64).optional(),
  session: z.string().max(64).optional(),
  sandbox: z.string().max(64).optional(),
  call: z.string().max(64).optional(),
  /** Separated by commas; `exec.*` is all of that kind. */
  kind: z.string().max(1000).optional(),
  /** RFC 3339, or a duration before now: 30m, 1h, 7d. */
  since: z.string().max(64).optional(),
  until: z.string().max(64).optional(),
  /** NAME=VALUE, separated by commas. */
  label: z.string().max(2000).optional(),
  limit: z.coerce.number().int().min(1).max(1_000_000).optional(),
  follow: z.enum(['0', '1', 'true', 'false']).optional(),
});

export function auditRoutes({ audit, clock }: { readonly audit: AuditLog; readonly clock: Clock }): Route[] {
  return [
    {
      method: 'GET',
      path: '/v1/audit',
      handle: ({ principal, query }) => {
        const asked = parseInput(Query, Object.fromEntries(query));
        const isFollowing = asked.follow === '1' || asked.follow === 'true';
        const filter: AuditFilter = {
          ...(asked.tenant === undefined ? {} : { tenant: asked.tenant }),
          ...(asked.session === undefined ? {} : { session: asked.session }),
          ...(asked.sandbox === undefined ? {} : { sandboxId: asked.sandbox }),
          ...(asked.call === undefined ? {} : { call: asked.call }),
          ...(asked.kind === undefined ? {} : { kinds: asked.kind.split(',') }),
          ...(asked.since === undefined ? {} : { sinceMs: timeOf(asked.since, clock.now()) }),
          ...(asked.until === undefined ? {} : { untilMs: timeOf(asked.until, clock.now()) }),
          ...(asked.label === undefined ? {} : { labels: labelsOf(asked.label) }),
        };
        const limit = asked.limit ?? (isFollowing ? Number.POSITIVE_INFINITY : DEFAULT_LIMIT);
        return {
          status: 200,
          contentType: 'application/x-ndjson',
          async *stream(signal) {
            let left = limit;
            // What others may see is not even counted.
            for await (const { record, text } of queryAudit(audit, filter, { follow: isFollowing, signal })) {
              if (!maySeeRecord(principal, record)) continue;
              // An authorization ends while it is used, too.
              if (clock.now() >= principal.expiresAt) return;
              yield `${text}\n`;
              left -= 1;
              if (left <= 0) return;
            }
          },
        };
      },
    },
  ];
}

const Time = z.string().refine((text) => !Number.isNaN(Date.parse(text)), 'is neither a time nor a duration like 30m, 1h or 7d');

function timeOf(text: string, nowMs: number): number {
  const [, count, unit] = /^(\d{1,9})([smhd])$/.exec(text) ?? [];
  if (count !== undefined && unit !== undefined) return nowMs - Number(count) * (UNITS[unit] ?? 0);
  return Date.parse(parseInput(Time, text));
}

const Label = z.string().regex(/^[^=]+=/, 'must be NAME=VALUE');

function labelsOf(text: string): Record<string, string> {
  return Object.fromEntries(
    text.split(',').map((pair) => {
      const label = parseInput(Label, pair);
      const at = label.indexOf('=');
      return [label.slice(0, at), label.slice(at + 1)];
    }),
  );
}
