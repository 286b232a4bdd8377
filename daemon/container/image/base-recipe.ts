// What the base image is made of, read from images/base, and the content hash that names the result.
// Knows nothing of engines nor of how the recipe is carried out.
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { SandboxError } from '../../../client/protocol/errors.ts';

/** Raised when the code that carries out a recipe changes what comes out of it. */
const RECIPE_VERSION = 1;
export const BASE_IMAGE_NAME = 'base';
export const BASE_REPOSITORY = 'cloister-base';
/** Label that carries the full content hash of the recipe. */
export const BASE_HASH_LABEL = 'dev.cloister.base.hash';

const packageSchema = z.strictObject({ name: z.string(), integrity: z.string().regex(/^sha512-[A-Za-z0-9+/]{86}==$/) });
const versionSchema = z.string().regex(/^\d+\.\d+\.\d+$/);
const nodeFileSchema = z.strictObject({
  node: z.strictObject({ version: versionSchema, packages: z.strictObject({ x64: packageSchema, arm64: packageSchema }) }),
  npm: packageSchema.extend({ version: versionSchema }),
});

export type Architecture = 'x64' | 'arm64';

export interface NpmTarball {
  readonly name: string;
  readonly version: string;
  readonly integrity: string;
}

export interface BaseRecipe {
  /** Folder of the recipe files. */
  readonly directory: string;
  readonly hash: string;
  /** `cloister-base:<12 hex digits of the hash>` */
  readonly reference: string;
  readonly tag: string;
  readonly packages: readonly string[];
  readonly node: NpmTarball;
  readonly npm: NpmTarball;
  /** Instructions of the Dockerfile that describe the image and not its files. */
  readonly changes: readonly string[];
}

export function architectureOf(nodeArch: string): Architecture {
  if (nodeArch === 'x64' || nodeArch === 'arm64') return nodeArch;
  throw new SandboxError('SANDBOX_FAILED', `Cannot choose a base image: the architecture ${nodeArch} is not supported`, {
    hint: 'Use a host with x86-64 or arm64.',
  });
}

export function packageNames(text: string): readonly string[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
}

export function metadataInstructions(dockerfile: string): readonly string[] {
  return dockerfile
    .split('\n')
    .filter((line) => /^(ENV|WORKDIR|CMD|USER) /.test(line))
    .map((line) => line.trim());
}

export async function loadBaseRecipe(directory: string, architecture: Architecture): Promise<BaseRecipe> {
  const names = ['packages.txt', 'finish.sh', 'Dockerfile', 'node.json'] as const;
  const [packages, finish, dockerfile, nodeText] = (await Promise.all(
    names.map((name) => readFile(path.join(directory, name), 'utf8')),
  )) as [string, string, string, string];
  const hash = createHash('sha256');
  for (const part of [`recipe ${RECIPE_VERSION} ${architecture}`, packages, finish, dockerfile, nodeText])
    hash.update(`${Buffer.byteLength(part)}\n${part}`);
  const digest = hash.digest('hex');
  const pins = nodeFileSchema.parse(JSON.parse(nodeText));
  const tag = digest.slice(0, 12);
  return {
    directory,
    hash: digest,
    tag,
    reference: `${BASE_REPOSITORY}:${tag}`,
    packages: packageNames(packages),
    node: { ...pins.node.packages[architecture], version: pins.node.version },
    npm: pins.npm,
    changes: metadataInstructions(dockerfile),
  };
}
