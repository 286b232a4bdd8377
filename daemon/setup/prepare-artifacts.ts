// What a daemon needs in its engine and on disk before the first sandbox: the base image and cloister-init.
// From the cache where set-up has been run; built otherwise.

import { join } from 'node:path';
import type { ContainerDriver } from '../container/driver.ts';
import { ensureBaseImage } from '../container/image/base-image.ts';
import { architectureOf, loadBaseRecipe } from '../container/image/base-recipe.ts';
import { buildInit } from './build-init.ts';

export interface PrepareArtifactsOptions {
  readonly driver: ContainerDriver;
  readonly cacheDir: string;
  readonly packageRoot: string;
  /** Of the host, as Node spells it. */
  readonly arch: string;
  readonly onProgress: (line: string) => void;
}

export interface Artifacts {
  /** Engine id of the base image. */
  readonly imageReference: string;
  readonly initPath: string;
}

export async function prepareArtifacts(options: PrepareArtifactsOptions): Promise<Artifacts> {
  const { driver, cacheDir, packageRoot, arch, onProgress } = options;
  const recipe = await loadBaseRecipe(join(packageRoot, 'images', 'base'), architectureOf(arch));
  const image = await ensureBaseImage({ driver, recipe, kind: 'packages', cacheDir, onProgress });
  const init = await buildInit({ sourceDir: join(packageRoot, 'images', 'init'), cacheDir, arch, onProgress });
  return { imageReference: image.id, initPath: init.path };
}
