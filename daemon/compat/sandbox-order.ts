// What E2B's clients ask for when they create a sandbox, as an open of ours; and what is told of one. Pure.

import { z } from 'zod';
import { type OpenOptions, type SandboxInfo, SandboxError } from '../../client/index.ts';
import { Name } from '../../client/protocol/names.ts';
import { Unsupported } from './failure.ts';
import { AUTO_RESUME_LABEL, ON_TIMEOUT_LABEL } from './lifetimes.ts';
import { publicIdOf } from './live-sandboxes.ts';
import { NetworkAsked } from './network-policy.ts';

/** Of a sandbox whose client says none. */
export const DEFAULT_TIMEOUT_SECONDS = 300;
/** E2B's clients compare it with what they need: this one has stdin, recursive watching and uploads as plain bytes, no metadata of files. */
export const ENVD_VERSION = '0.6.1';
const METADATA_PREFIX = 'm.';
const TEMPLATE_LABEL = 'e2b.template';
const KEY_LABEL = 'e2b.key';
const MIB = 1024 * 1024;

export const Seconds = z
  .number()
  .min(0)
  .max(366 * 86_400);

export const NewSandbox = z.object({
  templateID: z.string().min(1).max(128),
  timeout: Seconds.default(DEFAULT_TIMEOUT_SECONDS),
  autoPause: z.boolean().nullish(),
  autoPauseMemory: z.boolean().nullish(),
  autoResume: z.object({ enabled: z.boolean() }).nullish(),
  metadata: z.record(z.string(), z.string()).nullish(),
  envVars: z.record(z.string(), z.string()).nullish(),
  ...NetworkAsked.shape,
  mcp: z.unknown().optional(),
  iam: z.unknown().optional(),
  volumeMounts: z.array(z.unknown()).nullish(),
});
export type NewSandbox = z.infer<typeof NewSandbox>;

/** A template is a name for an image and a profile that the operator has chosen. */
export interface Template {
  readonly image?: string | undefined;
  readonly profile?: string | undefined;
}

export function templateOf(id: string, templates: Readonly<Record<string, Template>>): Template {
  const name = Name.safeParse(id);
  if (name.success && Object.hasOwn(templates, name.data)) return templates[name.data] ?? {};
  // What a client gets that names none.
  if (id === 'base') return {};
  throw new SandboxError('NOT_FOUND', `Cannot create a sandbox: there is no template ${JSON.stringify(id)}`, {
    hint: `Use base${Object.keys(templates).length === 0 ? '' : ` or ${Object.keys(templates).join(', ')}`}; compat.e2b.templates maps names to images and profiles.`,
  });
}

/** Throws what can't be had. */
export function openOf(asked: NewSandbox, template: Template, session: string, keyName: string): OpenOptions {
  if (asked.mcp !== undefined && asked.mcp !== null)
    throw new Unsupported('mcp', 'Run MCP servers as commands, or use the MCP server of Cloister.');
  if (asked.iam !== undefined && asked.iam !== null)
    throw new Unsupported('iam', 'Pass secrets by envs, or as header secrets of a Cloister session.');
  if ((asked.volumeMounts ?? []).length > 0)
    throw new Unsupported('volumeMounts', 'Every sandbox has one workspace; upload what it needs.');
  if (asked.autoPauseMemory === false) throw new Unsupported('keepMemory: false', 'Leave it out: a paused sandbox keeps its processes.');
  const env = { HOME: '/workspace', ...asked.envVars };
  return {
    session,
    image: template.image,
    profile: template.profile,
    env,
    workspace: { retain: 'delete' },
    labels: {
      channel: 'e2b',
      [KEY_LABEL]: keyName,
      [TEMPLATE_LABEL]: asked.templateID,
      [ON_TIMEOUT_LABEL]: asked.autoPause === true ? 'pause' : 'kill',
      ...(asked.autoResume?.enabled === true ? { [AUTO_RESUME_LABEL]: String(asked.timeout) } : {}),
      ...labelsOf(asked.metadata ?? {}),
    },
  };
}

/** Metadata as labels; a name that is none is INVALID_REQUEST where the session is opened. */
export const labelsOf = (metadata: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(metadata).map(([name, value]) => [`${METADATA_PREFIX}${name}`, value]));

const metadataOf = (labels: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(labels).flatMap(([name, value]) =>
      name.startsWith(METADATA_PREFIX) ? [[name.slice(METADATA_PREFIX.length), value]] : [],
    ),
  );

export const templateIdOf = ({ labels }: SandboxInfo): string => labels[TEMPLATE_LABEL] ?? 'base';

/** As E2B's API tells of a sandbox, in lists and alone. */
export function toldOf(info: SandboxInfo, life: { readonly endMs: number; readonly isPaused: boolean }): Record<string, unknown> {
  return {
    sandboxID: publicIdOf(info.id),
    clientID: 'cloister',
    templateID: templateIdOf(info),
    alias: templateIdOf(info),
    metadata: metadataOf(info.labels),
    state: life.isPaused ? 'paused' : 'running',
    startedAt: info.createdAt,
    endAt: new Date(life.endMs).toISOString(),
    cpuCount: Math.max(1, Math.ceil(info.limits.cpus)),
    memoryMB: Math.floor(info.limits.memoryBytes / MIB),
    diskSizeMB: Math.floor(info.limits.diskBytes / MIB),
    envdVersion: ENVD_VERSION,
    lifecycle: {
      onTimeout: info.labels[ON_TIMEOUT_LABEL] === 'pause' ? 'pause' : 'kill',
      autoResume: info.labels[AUTO_RESUME_LABEL] !== undefined,
    },
  };
}
