// Loads a seccomp profile by name, as the text that is sent to the engine. A profile that is missing, broken or looser
// than the format allows refuses; nothing here falls back to the engine's default. Knows nothing of what the rules mean.
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { SandboxError } from '../../client/protocol/errors.ts';
import type { SeccompProfile } from './grant.ts';

const PROFILE_NAME = /^[a-z][a-z0-9-]{0,31}$/;
const MAX_BYTES = 512 * 1024;

// NE, LT, LE, GT and GE are left out on purpose: the kernel truncates integers that the filter compares whole.
const Argument = z.strictObject({
  index: z.int().min(0).max(5),
  op: z.enum(['SCMP_CMP_EQ', 'SCMP_CMP_MASKED_EQ']),
  value: z.int().min(0).max(0xffffffff),
  valueTwo: z.int().min(0).max(0xffffffff).optional(),
});

const Rule = z
  .strictObject({
    comment: z.string().min(1),
    names: z.array(z.string().regex(/^[a-z0-9_]+$/)).min(1),
    action: z.enum(['SCMP_ACT_ALLOW', 'SCMP_ACT_ERRNO']),
    errnoRet: z.int().min(1).max(4095).optional(),
    args: z.array(Argument).min(1).max(6).optional(),
  })
  .refine(
    (rule) => (rule.action === 'SCMP_ACT_ERRNO') === (rule.errnoRet !== undefined),
    'a refusing rule has an errnoRet, an allowing one has none',
  );

const Architecture = z.strictObject({
  architecture: z.enum(['SCMP_ARCH_X86_64', 'SCMP_ARCH_AARCH64']),
  // The 32-bit and x32 entries cannot be filtered by argument, so no profile may open them.
  subArchitectures: z.tuple([]),
});

const Profile = z.strictObject({
  defaultAction: z.literal('SCMP_ACT_ERRNO'),
  defaultErrnoRet: z.literal(1),
  archMap: z.array(Architecture).min(1),
  syscalls: z.array(Rule).min(1),
});

export interface SeccompProfileSource {
  /** Directory of `<name>.json` files. */
  readonly directory: string;
  readonly name: string;
}

/** The profile as compact JSON without comments, and the SHA-256 of exactly that text. Fails with POLICY_INVALID. */
export async function loadSeccompProfile({ directory, name }: SeccompProfileSource): Promise<SeccompProfile> {
  const refuse = (cause: string): SandboxError =>
    new SandboxError('POLICY_INVALID', `Cannot load seccomp profile ${JSON.stringify(name.slice(0, 64))}: ${cause}`, {
      hint: 'Restore the file from the package; without its filter no sandbox is created.',
    });
  if (!PROFILE_NAME.test(name)) throw refuse('not a valid name');
  const text = await readFile(join(directory, `${name}.json`), 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw refuse(error.code ?? 'unreadable');
  });
  if (text.length > MAX_BYTES) throw refuse(`larger than ${MAX_BYTES} bytes`);
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch {
    throw refuse('not JSON');
  }
  const parsed = Profile.safeParse(raw);
  if (!parsed.success) throw refuse(z.prettifyError(parsed.error));
  const json = JSON.stringify(parsed.data, (key, value: unknown) => (key === 'comment' ? undefined : value));
  return { name, json, sha256: createHash('sha256').update(json).digest('hex') };
}
