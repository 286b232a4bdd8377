// Configuration: one schema for the file and the environment. Every problem is listed, nothing is guessed,
// and a key that this release does not enforce does not exist.

import { isAbsolute } from 'node:path';
import { z } from 'zod';
import { DEFAULT_LIMITS, Limits } from '../client/protocol/limits.ts';
import { Name } from '../client/protocol/names.ts';
import { ExternalIssuer } from './auth/external-issuers.ts';
import { E2bConfig } from './compat/config.ts';
import { neverAllowed } from './egress/address-judge.ts';
import { parseCidr } from './egress/cidr.ts';
import { DEFAULT_EGRESS_LIMITS, EgressLimits } from './egress/messages.ts';
import { ClusterConfig, lacksAddress } from './cluster-config.ts';
import { parseNameServer } from './egress/name-server.ts';
import { parseHostPattern } from './policy/host-pattern.ts';
import { DEFAULT_RULES, RuleList } from './policy/permission-presets.ts';
import { DEFAULT_PROFILE, ProfileTable } from './policy/profiles.ts';

const AbsolutePath = z.string().max(4096).refine(isAbsolute, 'must be an absolute path');
const Listen = z.string().regex(/^(\[[0-9a-f:]+\]|[a-z0-9.-]+):\d{1,5}$/i, 'must be HOST:PORT');
const Ceiling = z
  .strictObject({
    sandboxes: z.int().min(1),
    memoryBytes: z.int().min(1),
    cpus: z.number().positive(),
    diskBytes: z.int().min(1),
    execs: z.int().min(1),
  })
  .partial();

export const Config = z
  .strictObject({
    /** Where the gateway listens; port 0 picks one. */
    listen: Listen.default('127.0.0.1:7070'),
    /** Everything durable; the engine must see it under the same path. At most 48 bytes, because unix sockets lie under it. */
    stateDir: AbsolutePath.max(48).default('/var/lib/cloister'),
    /** What set-up builds: base image, cloister-init. */
    cacheDir: AbsolutePath.default('/var/cache/cloister'),
    engine: z
      .strictObject({
        /** An engine to use; without it DOCKER_HOST, the default socket, then a private engine. */
        socketPath: AbsolutePath.optional(),
        /** Runtime of a sandbox that asks for none. */
        runtime: Name.default('runc'),
        /** Runtimes a session may ask for. */
        runtimes: z.array(Name).max(8).default(['runc']),
        /** `always`: own engine even if another one answers; `never`: refuse without one. */
        private: z.enum(['auto', 'always', 'never']).default('auto'),
      })
      .prefault({}),
    images: z
      .strictObject({
        /** Name -> reference or id in the engine; `base` is what set-up builds. */
        allow: z.record(Name, z.string().max(512)).default({}),
      })
      .prefault({}),
    /** Name -> profile, beside the built-in ones, which keep their meaning. */
    profiles: ProfileTable.default({}),
    defaults: z
      .strictObject({
        /** Profile of a session that asks for none. */
        profile: Name.default(DEFAULT_PROFILE),
        /** Image of a session that asks for none. */
        image: Name.default('base'),
        /** Limits of a session that asks for none. */
        limits: Limits.partial()
          .transform((limits): Limits => ({ ...DEFAULT_LIMITS, ...(limits as Partial<Limits>) }))
          .prefault({}),
      })
      .prefault({}),
    ceilings: z
      .strictObject({
        /** The most one sandbox may ask for. */
        perSandbox: Limits.partial().prefault({}),
        /** The sum over a tenant's sandboxes. */
        perTenant: Ceiling.prefault({}),
        /** The sum over all. */
        host: Ceiling.prefault({}),
      })
      .prefault({}),
    ports: z
      .strictObject({
        /** Where port previews are served, an origin apart from the API's; port 0 picks one. */
        listen: Listen.default('127.0.0.1:0'),
        /** NAME or NAME:PORT whose subdomains (`3000-ID.NAME`) reach that listener; nothing else may live under it. */
        domain: z
          .string()
          .max(190)
          .regex(/^[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:\d{1,5})?$/, 'must be a lower-case host name, with a port or without')
          .default('localhost'),
        /** How browsers reach it: `https` where something in front of the listener speaks TLS. */
        scheme: z.enum(['http', 'https']).default('http'),
      })
      .prefault({}),
    pool: z
      .strictObject({
        /** Sessions at once; above it the least recently used idle one is closed. */
        maxSessions: z.int().min(1).max(10_000).default(500),
        /** How long a session without command, file call or connection is kept. */
        idleMs: z.int().min(1000).default(1_800_000),
        /** How long a session is kept whatever it does; null: no end. */
        ttlMs: z.int().min(1000).nullable().default(null),
        /** How often sessions are looked at for their end. */
        sweepMs: z.int().min(100).default(5000),
        /** How long a controller that vanished keeps its lease. */
        leaseGraceMs: z.int().min(0).default(30_000),
        /** How long a sandbox has nothing to do before it is paused, until its next call; null: never. */
        pauseIdleMs: z.int().min(1000).nullable().default(300_000),
        /** Containers created at once. */
        creating: z.int().min(1).max(64).default(4),
        /** Started sandboxes that wait for a session, with default limits: every profile with every image and runtime. */
        warm: z
          .strictObject({
            /** Of each combination; 0: every open starts a container. */
            size: z.int().min(0).max(1000).default(0),
            /** The default profile unless given. */
            profiles: z.array(Name).max(16).default([]),
            /** The default image unless given. */
            images: z.array(Name).max(16).default([]),
            /** The default runtime unless given. */
            runtimes: z.array(Name).max(8).default([]),
          })
          .prefault({}),
      })
      .prefault({}),
    workspace: z
      .strictObject({
        /** `auto`: btrfs, or directories where quota `none` is accepted. */
        store: z.enum(['auto', 'btrfs', 'directory']).default('auto'),
        /** The btrfs pool, a sparse file; `pool.btrfs` in the state directory unless given. */
        poolFile: AbsolutePath.optional(),
        /** Size of a new pool file; 64 GiB, or what the disk allows, unless given. */
        poolBytes: z
          .int()
          .min(256 * 1024 * 1024)
          .optional(),
        /** `none`: the operator accepts a store without disk quota. */
        quota: z.enum(['hard', 'none']).default('hard'),
        /** Directories of the host below which sessions may name one as workspace (`hostPath`); without a limit on its size. */
        hostRoots: z.array(AbsolutePath).max(64).default([]),
        /** How long a kept workspace stays after its last use; null: for ever. */
        retainMs: z.int().min(1000).nullable().default(null),
        /** First and last uid that workspaces get. */
        uidRange: z.tuple([z.int().min(1000), z.int().max(4_000_000_000)]).default([200_000, 265_535]),
      })
      .prefault({}),
    permissions: z
      .strictObject({
        /** What tools may do: rules, and presets by name; the first that matches decides, without one a confirmation is needed. */
        rules: RuleList.default([...DEFAULT_RULES]),
        /** Whether commands that nobody takes back are refused whatever the rules say. */
        hardFloor: z.boolean().default(true),
        /** How long a confirmation is waited for; then it is a denial. */
        confirmTimeoutMs: z.int().min(100).max(3_600_000).default(60_000),
      })
      .prefault({}),
    egress: z
      .strictObject({
        /** Hosts, `*.suffixes` and ranges that no sandbox reaches, beyond the built-in ones. */
        blocklistExtra: z
          .array(
            z.string().refine((text) => parseHostPattern(text) !== null || parseCidr(text) !== null, 'must be a host, *.suffix or range'),
          )
          .max(100_000)
          .default([]),
        /** Name servers, ADDRESS[:PORT]; those of the host unless given. */
        resolver: z
          .preprocess(
            (value) => (typeof value === 'string' ? [value] : value),
            z.array(z.string().refine((text) => parseNameServer(text) !== null, 'must be ADDRESS or ADDRESS:PORT')).max(8),
          )
          .default([]),
        /** Ranges that are no public internet and that sandboxes may reach all the same, where their policy allows the host. */
        allowPrivate: z
          .array(
            z
              .string()
              .refine((text) => parseCidr(text) !== null, 'must be a range like 10.1.0.0/16')
              .refine((text) => !isNeverAllowed(text), "can't be allowed: metadata or no place to send to"),
          )
          .max(256)
          .default([]),
        /** PEM file of authorities, beside the host's, whose word on servers is believed where TLS is opened. */
        upstreamCa: AbsolutePath.optional(),
        /** User and group of the egress process; outside workspace.uidRange. */
        uid: z.int().min(1000).max(4_000_000_000).default(199_999),
        /** What one sandbox may use: connections at once, requests per second, bytes in its life, milliseconds idle and alive per connection. */
        limits: EgressLimits.partial()
          .transform((limits): EgressLimits => ({ ...DEFAULT_EGRESS_LIMITS, ...(limits as Partial<EgressLimits>) }))
          .prefault({}),
      })
      .prefault({}),
    audit: z
      .strictObject({
        /** The audit log; in the state directory unless given. */
        file: AbsolutePath.optional(),
        /** Size from which a new file is begun. */
        rotateBytes: z
          .int()
          .min(64 * 1024)
          .max(4 * 1024 * 1024 * 1024)
          .default(64 * 1024 * 1024),
        /** Days that records are kept: denials, what was asked of people, the rest. */
        retainDays: z
          .strictObject({
            /** What was refused, whatever by. */
            denial: z.int().min(1).max(36_500).default(90),
            /** Confirmations and their answers. */
            approval: z.int().min(1).max(36_500).default(180),
            /** Everything else. */
            other: z.int().min(1).max(36_500).default(90),
          })
          .prefault({}),
        /** `group`: on disk within 50 ms; `always`: before the call goes on; `never`: when the kernel likes. */
        fsync: z.enum(['group', 'always', 'never']).default('group'),
        /** On a full disk: `stop` what needs a record, or go on and `count` the records that are lost. */
        onFull: z.enum(['stop', 'count']).default('stop'),
      })
      .prefault({}),
    record: z
      .strictObject({
        /** Bytes kept of what one session's commands write, with its times, for replay after its end; 0: nothing is recorded. */
        bytes: z
          .int()
          .max(1024 * 1024 * 1024)
          .refine((bytes) => bytes === 0 || bytes >= 1024 * 1024, 'must be 0, or 1 MiB at least')
          .default(0),
        /** Profiles whose sessions are recorded; all unless given. */
        profiles: z.array(Name).max(16).default([]),
        /** Of all recordings; above it the oldest go. */
        totalBytes: z
          .int()
          .min(1024 * 1024)
          .default(1024 * 1024 * 1024),
        /** How long a recording stays after the last command. */
        retainMs: z.int().min(60_000).default(604_800_000),
      })
      .prefault({}),
    auth: z
      .strictObject({
        /** Directory of the keys of tokens; in the state directory unless given. */
        keys: AbsolutePath.optional(),
        /** Issuers whose tokens are accepted beside the daemon's own: issuer, jwks (file or https address), audience, roles, tenants. */
        jwks: z.array(ExternalIssuer).max(16).default([]),
      })
      .prefault({}),
    mcp: z
      .strictObject({
        /** MCP sessions over HTTP at once, of one tenant a fifth of them; 0: there is no /mcp. */
        maxSessions: z.int().min(0).max(10_000).default(500),
        /** How long one is kept without a request; then its sandbox is closed. */
        idleMs: z.int().min(1000).max(86_400_000).default(1_800_000),
      })
      .prefault({}),
    compat: z.strictObject({ e2b: E2bConfig.prefault({}) }).prefault({}),
    cluster: ClusterConfig.prefault({}),
    log: z
      .strictObject({
        /** Least severe log lines that are written to stderr. */
        level: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'silent']).default('info'),
      })
      .prefault({}),
    telemetry: z
      .strictObject({
        /** Where traces go over OTLP (HTTP), for example http://127.0.0.1:4318/v1/traces; without it there are none. */
        otlpUrl: z.url({ protocol: /^https?$/, error: 'must be an address of http or https' }).optional(),
        /** Serves /metrics without a token on an address of its own. */
        metricsListen: Listen.optional(),
        /** Values of the label `channel` that figures are split by; all others count as one. */
        channels: z.array(z.string().min(1).max(64)).max(8).default(['stable', 'canary']),
      })
      .prefault({}),
    /** Browser origins that may connect besides the daemon's own. */
    origins: z
      .array(z.url({ protocol: /^https?$/, error: 'must be an origin of http or https' }))
      .max(32)
      .default([]),
    /** What SIGTERM does with sandboxes: leave them to the next daemon, or close them. */
    onExit: z.enum(['keep', 'close']).default('close'),
    /** How long SIGTERM waits for running commands. */
    drainMs: z.int().min(0).max(3_600_000).default(10_000),
  })
  .refine(({ egress, workspace: { uidRange } }) => egress.uid < uidRange[0] || egress.uid > uidRange[1], {
    path: ['egress', 'uid'],
    message: 'lies in workspace.uidRange',
  })
  .refine((config) => !lacksAddress(config), {
    path: ['cluster', 'advertiseUrl'],
    message: 'must be given where listen names every address: the other members have to reach this one',
  });
export type Config = z.infer<typeof Config>;

function isNeverAllowed(text: string): boolean {
  const cidr = parseCidr(text);
  return cidr !== null && neverAllowed(cidr) !== null;
}
