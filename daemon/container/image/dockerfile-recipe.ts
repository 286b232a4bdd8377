// The recipe for hosts that reach a registry of images: the context is packed here and built by the engine.
import { copyFile, mkdir, mkdtemp, rm } from 'node:fs/promises';
import path from 'node:path';
import { Readable } from 'node:stream';
import { pack } from 'tar-fs';
import type { ContainerDriver } from '../driver.ts';
import { BASE_HASH_LABEL, type BaseRecipe } from './base-recipe.ts';
import { layOutNode } from './node-distribution.ts';

export interface DockerfileRecipeOptions {
  readonly recipe: BaseRecipe;
  readonly driver: ContainerDriver;
  readonly workRoot: string;
  /** `host` for an engine that has no bridge. */
  readonly networkMode?: string | undefined;
  readonly onProgress: (line: string) => void;
  readonly signal?: AbortSignal | undefined;
}

export async function buildFromDockerfile(options: DockerfileRecipeOptions): Promise<string> {
  const { recipe, driver, onProgress, signal } = options;
  await mkdir(options.workRoot, { recursive: true });
  const workDir = await mkdtemp(path.join(options.workRoot, 'base-context-'));
  try {
    const context = path.join(workDir, 'context');
    await mkdir(context, { mode: 0o755 });
    for (const name of ['Dockerfile', 'packages.txt', 'finish.sh'])
      await copyFile(path.join(recipe.directory, name), path.join(context, name));
    await layOutNode({ recipe, prefix: path.join(context, 'node'), workDir, onProgress, signal });
    const labels = { [BASE_HASH_LABEL]: recipe.hash };
    const tar = Readable.from(pack(context, { map: (header) => ({ ...header, uid: 0, gid: 0 }) }));
    return await driver.buildImage(tar, { tag: recipe.reference, labels, networkMode: options.networkMode, signal }, onProgress);
  } finally {
    await rm(workDir, { recursive: true, force: true });
  }
}
