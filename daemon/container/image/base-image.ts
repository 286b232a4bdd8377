// Makes sure an engine has the base image: present, imported from the cache, or built. Owns that order and nothing else.
import path from 'node:path';
import type { ContainerDriver } from '../driver.ts';
import { BaseCache, type CachedTar, DamagedCacheError, verifiedStream } from './base-cache.ts';
import { BASE_HASH_LABEL, BASE_IMAGE_NAME, BASE_REPOSITORY, type BaseRecipe } from './base-recipe.ts';
import { acquireBuildLock } from './build-lock.ts';
import { buildFromDockerfile } from './dockerfile-recipe.ts';
import { buildRootFileSystem } from './package-recipe.ts';

/** `packages`: mmdebstrap on this host, cached as a tar. `dockerfile`: built by the engine, which must reach a registry. */
export type RecipeKind = 'packages' | 'dockerfile';

export interface BaseImageOptions {
  readonly recipe: BaseRecipe;
  readonly kind: RecipeKind;
  readonly cacheDir: string;
  readonly onProgress: (line: string) => void;
  readonly signal?: AbortSignal | undefined;
}

export interface EnsureBaseImageOptions extends BaseImageOptions {
  readonly driver: ContainerDriver;
  /** Network of a Dockerfile's steps; `host` for an engine without a bridge. */
  readonly networkMode?: string | undefined;
}

export interface BaseImage {
  readonly name: typeof BASE_IMAGE_NAME;
  readonly reference: string;
  /** The engine's id of the image, which is what sandboxes are pinned to. */
  readonly id: string;
  readonly source: 'present' | 'cache' | 'built';
  readonly sizeBytes: number;
}

async function presentImage(options: EnsureBaseImageOptions, source: BaseImage['source']): Promise<BaseImage | null> {
  const { driver, recipe, signal } = options;
  const details = await driver.inspectImage(recipe.reference, { signal });
  // The label, because anybody with the engine may have tagged something else like this.
  if (details?.labels[BASE_HASH_LABEL] !== recipe.hash) return null;
  return { name: BASE_IMAGE_NAME, reference: recipe.reference, id: details.id, source, sizeBytes: details.sizeBytes };
}

/** The cached tar, built if need be; needs no engine. */
export async function ensureBaseTar(
  options: BaseImageOptions,
): Promise<{ readonly cached: CachedTar; readonly source: 'cache' | 'built' }> {
  const { recipe, cacheDir, onProgress, signal } = options;
  const cache = new BaseCache(cacheDir, recipe.hash);
  const ready = await cache.find();
  if (ready !== null) return { cached: ready, source: 'cache' };
  await using _lock = await acquireBuildLock(`${cache.file}.lock`, onProgress, signal);
  const rival = await cache.find();
  if (rival !== null) return { cached: rival, source: 'cache' };
  const cached = await cache.fill((target) => buildRootFileSystem({ recipe, target, workRoot: cacheDir, onProgress, signal }));
  return { cached, source: 'built' };
}

export async function ensureBaseImage(options: EnsureBaseImageOptions): Promise<BaseImage> {
  const present = await presentImage(options, 'present');
  if (present !== null) return present;
  if (options.kind === 'dockerfile') return ensureBuilt(options);
  return ensureImported(options);
}

async function ensureBuilt(options: EnsureBaseImageOptions): Promise<BaseImage> {
  const { cacheDir, recipe, onProgress, signal } = options;
  await using _lock = await acquireBuildLock(path.join(cacheDir, `base-${recipe.hash}.lock`), onProgress, signal);
  const rival = await presentImage(options, 'present');
  if (rival !== null) return rival;
  await buildFromDockerfile({ ...options, workRoot: cacheDir });
  return await imageOrThrow(options, 'built');
}

async function ensureImported(options: EnsureBaseImageOptions): Promise<BaseImage> {
  const { driver, recipe, onProgress, signal } = options;
  const changes = [...recipe.changes, `LABEL ${BASE_HASH_LABEL}=${recipe.hash}`];
  const load = async (cached: CachedTar): Promise<void> => {
    onProgress(`importing ${Math.round(cached.record.bytes / 1e6)} MB into the engine as ${recipe.reference}`);
    await driver.importImage(verifiedStream(cached), { repo: BASE_REPOSITORY, tag: recipe.tag, changes, signal });
  };
  const first = await ensureBaseTar(options);
  try {
    await load(first.cached);
    return await imageOrThrow(options, first.source);
  } catch (error) {
    if (!isDamaged(error)) throw error;
    onProgress('the cached file is damaged and is built again');
    await new BaseCache(options.cacheDir, recipe.hash).drop();
  }
  const second = await ensureBaseTar(options);
  await load(second.cached);
  return imageOrThrow(options, second.source);
}

function isDamaged(error: unknown): boolean {
  return error instanceof DamagedCacheError || (error instanceof Error && error.cause !== undefined && isDamaged(error.cause));
}

async function imageOrThrow(options: EnsureBaseImageOptions, source: BaseImage['source']): Promise<BaseImage> {
  const image = await presentImage(options, source);
  if (image === null) throw new Error(`the engine does not know ${options.recipe.reference} right after it was made`);
  return image;
}
