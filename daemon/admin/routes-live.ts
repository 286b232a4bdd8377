// /v1/self, /v1/overview, /v1/inspect/ID and /v1/doctor: what the console shows beside what there was already. Reading only,
// and nothing here wakes a sandbox or keeps it from its idle end.

import { SandboxError } from '../../client/protocol/errors.ts';
import { SandboxId } from '../../client/protocol/names.ts';
import type { Principal } from '../auth/principal.ts';
import type { DoctorReport } from '../doctor/doctor.ts';
import type { Clock } from '../observe/clock.ts';
import type { SessionPool } from '../session/pool.ts';
import type { Session } from '../session/session.ts';
import { type LiveSampler, SAMPLE_MS } from './live-sampler.ts';
import { NO_COUNTS } from './rate-counter.ts';
import type { Route } from './route.ts';

const JSON_HEADERS = { 'content-type': 'application/json', 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' };
/** A report is good for that long, whoever asks. */
const DOCTOR_MS = 10_000;
const RATE_POINTS = 60_000 / SAMPLE_MS;

export interface LiveRoutesOptions {
  readonly pool: SessionPool;
  readonly sampler: LiveSampler;
  readonly spares: () => { readonly free: number; readonly wanted: number };
  readonly maxSessions: number;
  readonly examine: () => Promise<DoctorReport>;
  readonly version: string;
  /** What the engine and the store are, for the overview. */
  readonly facts: Readonly<Record<string, string>>;
  readonly clock: Clock;
}

export function liveRoutes(options: LiveRoutesOptions): Route[] {
  const { pool, sampler, clock, version } = options;
  let whole: { readonly atMs: number; readonly bytes: Buffer } | null = null;
  let report: { readonly atMs: number; readonly promise: Promise<DoctorReport> } | null = null;
  return [
    {
      method: 'GET',
      path: '/v1/self',
      handle: ({ principal }) => {
        const { tenant, role, session, sessions, isReadOnly, tokenId, expiresAt } = principal;
        const expires = new Date(expiresAt).toISOString();
        return { status: 200, body: { tenant, role, session, sessions, readOnly: isReadOnly, tokenId, expiresAt: expires, version } };
      },
    },
    {
      method: 'GET',
      path: '/v1/overview',
      handle: ({ principal }) => {
        sampler.look();
        if (!seesEverything(principal)) return { status: 200, body: overviewOf(options, principal) };
        // Written once a sample, whoever of the operators asks: with hundreds of sandboxes that is what it costs.
        if (whole?.atMs !== sampler.sampledAtMs)
          whole = { atMs: sampler.sampledAtMs, bytes: Buffer.from(JSON.stringify(overviewOf(options, principal))) };
        return { status: 200, headers: JSON_HEADERS, bytes: whole.bytes };
      },
    },
    {
      method: 'GET',
      path: '/v1/inspect/:id',
      handle: ({ principal, id }) => {
        sampler.look();
        const parsed = SandboxId.safeParse(id);
        if (!parsed.success) throw new SandboxError('NOT_FOUND', `Cannot find sandbox ${JSON.stringify(id)}: it is not a sandbox id`);
        const session = pool.find(parsed.data, principal);
        return { status: 200, body: inspectionOf(sampler, session) };
      },
    },
    {
      method: 'GET',
      path: '/v1/doctor',
      handle: async ({ principal }) => {
        assertOperator(principal);
        if (report === null || clock.now() - report.atMs > DOCTOR_MS) {
          const promise = options.examine();
          report = { atMs: clock.now(), promise };
          promise.catch(() => (report = null));
        }
        return { status: 200, body: { at: new Date(report.atMs).toISOString(), ...(await report.promise) } };
      },
    },
  ];
}

const seesEverything = ({ role, session, sessions }: Principal): boolean =>
  role === 'operator' && session === null && sessions === undefined;

function overviewOf(options: LiveRoutesOptions, principal: Principal): Record<string, unknown> {
  const { pool, sampler, clock } = options;
  const sandboxes = pool
    .list({}, principal)
    .map((session) => ({ ...session.info(), ...lifeOf(session), usage: usageOf(sampler, session) }));
  const everything = principal.role === 'operator' ? hostOf(options) : {};
  return { at: new Date(clock.now()).toISOString(), everyMs: SAMPLE_MS, sandboxes, ...everything };
}

function inspectionOf(sampler: LiveSampler, session: Session): Record<string, unknown> {
  const sandbox = session.state === 'running' ? session.runningSandbox : null;
  const { egress, permissions, sha256: policySha256, profile } = session.policy;
  return {
    ...session.info(),
    ...lifeOf(session),
    workspaceName: session.workspaceName,
    usage: usageOf(sampler, session),
    points: sampler.points(session.id),
    receipt: sandbox?.receipt ?? null,
    running: (sandbox?.execs.list() ?? []).map((execution) => execution.info()),
    policy: { policySha256, profile, egress, permissions },
  };
}

const lifeOf = ({ idleMs, startKind }: Session): Record<string, unknown> => ({ idleMs, startKind });

function usageOf(sampler: LiveSampler, { id }: Session): Record<string, number | null> | null {
  const last = sampler.points(id).at(-1);
  if (last === undefined) return null;
  const [, cpus, memoryBytes, pids, diskBytes] = last;
  return { cpus, memoryBytes, pids, diskBytes };
}

function hostOf({ pool, sampler, spares, maxSessions, version, facts }: LiveRoutesOptions): Record<string, unknown> {
  const minute = sampler.history.slice(-RATE_POINTS);
  const perMinute = Object.fromEntries(
    (Object.keys(NO_COUNTS) as (keyof typeof NO_COUNTS)[]).map((name) => [name, minute.reduce((sum, point) => sum + point[name], 0)]),
  );
  return {
    host: { ...sampler.host, disk: sampler.disk },
    pool: { isAccepting: pool.isAccepting, maxSessions, spares: spares() },
    daemon: { version, ...facts },
    perMinute,
    history: sampler.history,
  };
}

function assertOperator({ role, isReadOnly }: Principal): void {
  if (role === 'operator' && !isReadOnly) return;
  throw new SandboxError('FORBIDDEN', 'Cannot examine the host: only operators may', { hint: 'Use a token of role operator.' });
}
