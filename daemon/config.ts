// Configuration: one schema for the file and the environment. Every problem is listed, nothing is guessed,
// and a key that this release does not enforce does not exist.

import { readFileSync } from 'node:fs';
import { isAbsolute } from 'node:path';
import { z } from 'zod';
import { DEFAULT_LIMITS, Limits } from '../client/protocol/limits.ts';
import { Name } from '../client/protocol/names.ts';
import { DEFAULT_PROFILE, ProfileTable } from './policy/profiles.ts';

const AbsolutePath = z.string().max(4096).refine(isAbsolute, 'must be an absolute path');
const Listen = z.string().regex(/^(\[[0-9a-f:]+\]|[a-z0-9.-]+):\d{1,5}$/i, 'must be HOST:PORT');
const Ceiling = z
  .strictObject({ sandboxes: z.int().min(1), memoryBytes: z.int().min(1), cpus: z.number().positive(), diskBytes: z.int().min(1), execs: z.int().min(1) })
  .partial();

export const Config = z.strictObject({
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
      limits: Limits.partial().transform((limits): Limits => ({ ...DEFAULT_LIMITS, ...(limits as Partial<Limits>) })).prefault({}),
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
      domain: z.string().max(190).regex(/^[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:\d{1,5})?$/, 'must be a lower-case host name, with a port or without').default('localhost'),
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
      /** Containers created at once. */
      creating: z.int().min(1).max(64).default(4),
    })
    .prefault({}),
  workspace: z
    .strictObject({
      /** `auto`: btrfs, or directories where quota `none` is accepted. */
      store: z.enum(['auto', 'btrfs', 'directory']).default('auto'),
      /** The btrfs pool, a sparse file; `pool.btrfs` in the state directory unless given. */
      poolFile: AbsolutePath.optional(),
      /** Size of a new pool file; 64 GiB, or what the disk allows, unless given. */
      poolBytes: z.int().min(256 * 1024 * 1024).optional(),
      /** `none`: the operator accepts a store without disk quota. */
      quota: z.enum(['hard', 'none']).default('hard'),
      /** First and last uid that workspaces get. */
      uidRange: z.tuple([z.int().min(1000), z.int().max(4_000_000_000)]).default([200_000, 265_535]),
    })
    .prefault({}),
  audit: z
    .strictObject({
      /** The audit log; in the state directory unless given. */
      file: AbsolutePath.optional(),
    })
    .prefault({}),
  log: z
    .strictObject({
      /** Least severe log lines that are written to stderr. */
      level: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'silent']).default('info'),
    })
    .prefault({}),
  /** Browser origins that may connect besides the daemon's own. */
  origins: z.array(z.url()).max(32).default([]),
  /** What SIGTERM does with sandboxes: leave them to the next daemon, or close them. */
  onExit: z.enum(['keep', 'close']).default('close'),
  /** How long SIGTERM waits for running commands. */
  drainMs: z.int().min(0).max(3_600_000).default(10_000),
});
export type Config = z.infer<typeof Config>;

/** Environment names that are not configuration keys. */
const OTHER_VARIABLES = new Set(['CLOISTER_URL', 'CLOISTER_TOKEN', 'CLOISTER_CONFIG']);

export class ConfigError extends Error {
  readonly problems: readonly string[];
  constructor(problems: readonly string[]) {
    super(`Cannot use the configuration:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`);
    this.name = 'ConfigError';
    this.problems = problems;
  }
}

export interface ConfigSources {
  /** `--config`, or undefined. */
  readonly file: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Command-line options, strongest. */
  readonly options: Readonly<Record<string, unknown>>;
}

/** File, then CLOISTER_* variables, then options. Throws ConfigError with every problem. */
export function loadConfig(sources: ConfigSources): Config {
  const problems: string[] = [];
  const merged = sources.file === undefined ? {} : readFile(sources.file, problems);
  for (const [name, value] of Object.entries(sources.env)) {
    if (!name.startsWith('CLOISTER_') || name.startsWith('CLOISTER_TEST_') || OTHER_VARIABLES.has(name) || value === undefined) continue;
    const path = pathOf(name.slice('CLOISTER_'.length), Config);
    if (path === null) problems.push(`${name}: no such key`);
    else setPath(merged, path, parseValue(value));
  }
  for (const [key, value] of Object.entries(sources.options)) if (value !== undefined) merged[key] = value;
  const parsed = Config.safeParse(merged);
  if (!parsed.success) problems.push(...parsed.error.issues.map((issue) => `${issue.path.join('.') || '(top)'}: ${issue.message}`));
  if (problems.length > 0 || !parsed.success) throw new ConfigError(problems);
  return parsed.data;
}

function readFile(path: string, problems: string[]): Record<string, unknown> {
  try {
    return z.record(z.string(), z.unknown()).parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch (error) {
    problems.push(`${path}: ${error instanceof Error ? error.message.split('\n')[0] : 'unreadable'}`);
    return {};
  }
}

/** `POOL_MAX_SESSIONS` -> pool.maxSessions: the words are matched against the schema's keys. */
function pathOf(words: string, schema: unknown): string[] | null {
  const shape = shapeOf(schema);
  if (shape === null) return null;
  for (const key of Object.keys(shape)) {
    const screaming = key.replaceAll(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase();
    if (words === screaming) return [key];
    if (words.startsWith(`${screaming}_`)) {
      const rest = pathOf(words.slice(screaming.length + 1), shape[key]);
      if (rest !== null) return [key, ...rest];
    }
  }
  return null;
}

function shapeOf(schema: unknown): Record<string, unknown> | null {
  if (schema instanceof z.ZodObject) return schema.shape;
  if (schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault || schema instanceof z.ZodOptional) return shapeOf(schema.unwrap());
  if (schema instanceof z.ZodPipe) return shapeOf(schema.in);
  return null;
}

function setPath(target: Record<string, unknown>, path: readonly string[], value: unknown): void {
  const [head, ...rest] = path;
  if (head === undefined) return;
  if (rest.length === 0) {
    target[head] = value;
    return;
  }
  const next = target[head];
  const child = typeof next === 'object' && next !== null ? { ...next } : {};
  target[head] = child;
  setPath(child as Record<string, unknown>, rest, value);
}

function parseValue(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}
