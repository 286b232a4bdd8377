// Where the configuration comes from: file, CLOISTER_* variables, options. Every problem is listed, nothing is guessed.

import { readFileSync } from 'node:fs';
import { z } from 'zod';
import type { Limits } from '../client/protocol/limits.ts';
import { Config } from './config.ts';
import { BUILT_IN_PROFILES } from './policy/profiles.ts';

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
    const found = pathOf(name.slice('CLOISTER_'.length), Config);
    if (found === null) problems.push(`${name}: no such key`);
    else setPath(merged, found.path, parseValue(value, found.schema));
  }
  for (const [key, value] of Object.entries(sources.options)) if (value !== undefined) merged[key] = value;
  const parsed = Config.safeParse(merged);
  if (!parsed.success) problems.push(...parsed.error.issues.map((issue) => `${issue.path.join('.') || '(top)'}: ${issue.message}`));
  else problems.push(...contradictions(parsed.data));
  if (problems.length > 0 || !parsed.success) throw new ConfigError(problems);
  return parsed.data;
}

/** Values that are fine by themselves and could not work together: found now, not at the first session. */
function contradictions({ engine, images, profiles, defaults, ceilings, pool, workspace, compat }: Config): string[] {
  const problems: string[] = [];
  if (!Object.hasOwn(BUILT_IN_PROFILES, defaults.profile) && !Object.hasOwn(profiles, defaults.profile))
    problems.push(`defaults.profile: ${defaults.profile} is neither built in nor in profiles`);
  if (defaults.image !== 'base' && !Object.hasOwn(images.allow, defaults.image))
    problems.push(`defaults.image: ${defaults.image} is not in images.allow`);
  if (!engine.runtimes.includes(engine.runtime)) problems.push(`engine.runtime: ${engine.runtime} is not in engine.runtimes`);
  const { warm } = pool;
  for (const name of warm.profiles)
    if (!Object.hasOwn(BUILT_IN_PROFILES, name) && !Object.hasOwn(profiles, name))
      problems.push(`pool.warm.profiles: ${name} is neither built in nor in profiles`);
  for (const name of warm.images)
    if (name !== 'base' && !Object.hasOwn(images.allow, name)) problems.push(`pool.warm.images: ${name} is not in images.allow`);
  for (const name of warm.runtimes)
    if (!engine.runtimes.includes(name)) problems.push(`pool.warm.runtimes: ${name} is not in engine.runtimes`);
  for (const [name, { profile }] of Object.entries(compat.e2b.templates))
    if (profile !== undefined && !Object.hasOwn(BUILT_IN_PROFILES, profile) && !Object.hasOwn(profiles, profile))
      problems.push(`compat.e2b.templates.${name}.profile: ${profile} is neither built in nor in profiles`);
  if (workspace.uidRange[0] > workspace.uidRange[1]) problems.push('workspace.uidRange: the first uid is above the last');
  for (const key of Object.keys(defaults.limits) as (keyof Limits)[]) {
    const [value, maximum] = [defaults.limits[key], ceilings.perSandbox[key]];
    if (value !== undefined && maximum !== undefined && value > maximum)
      problems.push(`defaults.limits.${key}: ${value} is above ceilings.perSandbox.${key}, ${maximum}`);
  }
  return problems;
}

function readFile(path: string, problems: string[]): Record<string, unknown> {
  try {
    return z.record(z.string(), z.unknown()).parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch (error) {
    const cause =
      error instanceof z.ZodError ? 'is not a JSON object' : error instanceof Error ? error.message.split('\n')[0] : 'unreadable';
    problems.push(`${path}: ${cause}`);
    return {};
  }
}

/** `POOL_MAX_SESSIONS` -> pool.maxSessions: the words are matched against the schema's keys. */
function pathOf(words: string, schema: unknown): { readonly path: string[]; readonly schema: unknown } | null {
  const shape = shapeOf(schema);
  if (shape === null) return null;
  for (const key of Object.keys(shape)) {
    const screaming = key.replaceAll(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase();
    if (words === screaming) return { path: [key], schema: shape[key] };
    if (words.startsWith(`${screaming}_`)) {
      const rest = pathOf(words.slice(screaming.length + 1), shape[key]);
      if (rest !== null) return { path: [key, ...rest.path], schema: rest.schema };
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
  const child: Record<string, unknown> = typeof next === 'object' && next !== null ? { ...next } : {};
  target[head] = child;
  setPath(child, rest, value);
}

/** JSON, or the text itself where the key takes text: a name like `1` or `true` stays one. */
function parseValue(text: string, schema: unknown): unknown {
  if (schema instanceof z.ZodType && schema.safeParse(text).success) return text;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}
