// The set-up, step by step: engine, packages, base image, cloister-init. Idempotent; each step says what it did.
// Never reconfigures an engine it did not start.
import { mkdir } from 'node:fs/promises';
import type { Logger } from 'pino';
import { DockerDriver } from '../container/docker-driver.ts';
import { engineLayout } from '../container/engine/engine-layout.ts';
import { findEngine } from '../container/engine/find-engine.ts';
import { isPrivateEngineRunning, type PrivateEngine, startPrivateEngine } from '../container/engine/private-engine.ts';
import { BaseCache } from '../container/image/base-cache.ts';
import { ensureBaseImage, type RecipeKind } from '../container/image/base-image.ts';
import { architectureOf, BASE_HASH_LABEL, type BaseRecipe, loadBaseRecipe } from '../container/image/base-recipe.ts';
import { acquireBuildLock } from '../container/image/build-lock.ts';
import { installedPackages, installPackages } from './apt.ts';
import { buildInit, isInitBuilt } from './build-init.ts';
import {
  chooseEngine,
  choosePackages,
  chooseRecipe,
  type EngineChoice,
  type HostFacts,
  judgePlatform,
  judgeSpace,
  type SpaceNeed,
} from './decisions.ts';
import { freeBytes, readHostFacts } from './host-facts.ts';
import { SetupError, type StepName, type Verdict } from './setup-error.ts';
import { type StepReport, StepRunner } from './step-runner.ts';
import { TEST_PACKAGES } from './test-packages.ts';

const GIBIBYTE = 2 ** 30;

export interface SetupOptions {
  readonly stateDir: string;
  readonly cacheDir: string;
  /** The `images` folder of this package, which holds `base` and `init`. */
  readonly imagesDir: string;
  readonly platform: string;
  readonly arch: string;
  readonly isRoot: boolean;
  readonly dockerHost?: string | undefined;
  /** Socket named by the configuration. */
  readonly socketPath?: string | undefined;
  readonly withTestPackages?: boolean | undefined;
  /** Leaves a private engine that the set-up started running. */
  readonly keepEngine?: boolean | undefined;
  readonly log: Logger;
  readonly onProgress: (line: string) => void;
  readonly signal?: AbortSignal | undefined;
}

export interface SetupReport {
  readonly steps: readonly StepReport[];
  readonly engine: { readonly kind: 'found' | 'private'; readonly socketPath: string };
  /** The id is null when no engine had to be asked. */
  readonly image: { readonly name: 'base'; readonly reference: string; readonly id: string | null };
  readonly initPath: string;
}

type Refusal = Extract<Verdict, { verdict: 'refuse' }>;

function accept<T extends { readonly verdict: 'ok' }>(step: StepName, judged: T | Refusal): T {
  if (judged.verdict === 'refuse') throw new SetupError(step, judged.reason, judged.remedy);
  return judged;
}

/** What is there already, so that what is left to do is known before anything is touched. */
interface Inventory {
  readonly recipe: BaseRecipe;
  readonly recipeKind: RecipeKind;
  readonly hasTar: boolean;
  readonly hasImage: boolean;
  readonly hasInit: boolean;
  readonly isPrivateRunning: boolean;
}

export async function runSetup(options: SetupOptions): Promise<SetupReport> {
  const steps = new StepRunner(options.onProgress);
  const facts = await readHostFacts(options);
  await steps.run('platform', async () => {
    accept('platform', judgePlatform(facts));
    return { did: false, detail: `${options.platform} ${options.arch}` };
  });
  const choice = await findOrPlan(steps, options, facts);
  const socketPath = choice.kind === 'found' ? choice.socketPath : engineLayout(options.stateDir).socketPath;
  const inventory = await takeInventory(options, facts, choice, socketPath);
  await steps.run('disk-space', () => checkSpace(options, choice, inventory));
  await mkdir(options.cacheDir, { recursive: true });
  await using _lock = await acquireBuildLock(`${options.cacheDir}/setup.lock`, steps.progress, options.signal);
  await steps.run('packages', () => completePackages(steps, options, facts, choice, inventory));
  const id = await prepareEngine(steps, options, choice, inventory, socketPath);
  const init = await steps.run('init', async () => {
    const built = await buildInit({
      sourceDir: `${options.imagesDir}/init`,
      cacheDir: options.cacheDir,
      arch: options.arch,
      onProgress: steps.progress,
      signal: options.signal,
    });
    return { did: built.isFresh, detail: built.path, value: built.path };
  });
  return {
    steps: steps.reports,
    engine: { kind: choice.kind, socketPath },
    image: { name: 'base', reference: inventory.recipe.reference, id },
    initPath: init,
  };
}

async function findOrPlan(steps: StepRunner, options: SetupOptions, facts: HostFacts): Promise<Extract<EngineChoice, { verdict: 'ok' }>> {
  return steps.run('find-engine', async () => {
    const found = await findEngine({ dockerHost: options.dockerHost, socketPath: options.socketPath, signal: options.signal });
    const choice = accept('find-engine', chooseEngine(found, facts));
    return { did: false, detail: choice.detail, value: choice };
  });
}

async function takeInventory(
  options: SetupOptions,
  facts: HostFacts,
  choice: Extract<EngineChoice, { verdict: 'ok' }>,
  socketPath: string,
): Promise<Inventory> {
  const recipe = await loadBaseRecipe(`${options.imagesDir}/base`, architectureOf(options.arch));
  const isPrivateRunning = choice.kind === 'private' && (await isPrivateEngineRunning(options.stateDir));
  const canAsk = choice.kind === 'found' || isPrivateRunning;
  return {
    recipe,
    recipeKind: chooseRecipe(facts),
    hasTar: (await new BaseCache(options.cacheDir, recipe.hash).find()) !== null,
    hasImage:
      canAsk &&
      (await new DockerDriver({ socketPath }).inspectImage(recipe.reference, { signal: options.signal }))?.labels[BASE_HASH_LABEL] ===
        recipe.hash,
    hasInit: await isInitBuilt({ sourceDir: `${options.imagesDir}/init`, cacheDir: options.cacheDir, arch: options.arch }),
    isPrivateRunning,
  };
}

async function checkSpace(options: SetupOptions, choice: EngineChoice, inventory: Inventory): Promise<{ did: boolean; detail: string }> {
  const hasBase = inventory.hasTar || inventory.hasImage;
  const places = [
    { path: options.cacheDir, neededBytes: hasBase ? GIBIBYTE / 16 : 3 * GIBIBYTE },
    {
      path: options.stateDir,
      neededBytes: 'kind' in choice && choice.kind === 'private' && !inventory.hasImage ? 2 * GIBIBYTE : GIBIBYTE / 2,
    },
  ];
  const needs: SpaceNeed[] = await Promise.all(places.map(async (place) => ({ ...place, freeBytes: await freeBytes(place.path) })));
  accept('disk-space', judgeSpace(needs));
  return { did: false, detail: needs.map((need) => `${need.path}: ${Math.floor(need.freeBytes / GIBIBYTE)} GiB free`).join(', ') };
}

async function completePackages(
  steps: StepRunner,
  options: SetupOptions,
  facts: HostFacts,
  choice: EngineChoice,
  inventory: Inventory,
): Promise<{ did: boolean; detail: string }> {
  const wanted = options.withTestPackages === true ? Object.keys(TEST_PACKAGES) : [];
  const installed = await installedPackages(wanted);
  const needs = {
    needsEngine: 'kind' in choice && choice.kind === 'private',
    needsRecipe: inventory.recipeKind === 'packages' && !inventory.hasTar && !inventory.hasImage,
    needsCompiler: !inventory.hasInit,
    testPackages: wanted.filter((name) => !installed.has(name)),
  };
  const { install } = accept('packages', choosePackages(needs, facts));
  if (install.length === 0) return { did: false, detail: 'nothing is missing' };
  steps.progress(`installing ${install.join(' ')}`);
  await installPackages(install, { onProgress: steps.progress, signal: options.signal });
  return { did: true, detail: `installed ${install.join(' ')}` };
}

/** Starts what must be started, gives the engine its base image, stops what only this set-up needed. */
async function prepareEngine(
  steps: StepRunner,
  options: SetupOptions,
  choice: Extract<EngineChoice, { verdict: 'ok' }>,
  inventory: Inventory,
  socketPath: string,
): Promise<string | null> {
  const isReady = choice.kind === 'private' && !inventory.isPrivateRunning && inventory.hasTar && options.keepEngine !== true;
  let engine: PrivateEngine | null = null;
  try {
    await steps.run('engine', async () => {
      if (choice.kind === 'found') return { did: false, detail: choice.detail };
      if (isReady) return { did: false, detail: 'the daemon starts it' };
      engine = await startPrivateEngine({ stateDir: options.stateDir, log: options.log, signal: options.signal });
      return { did: !engine.isAdopted, detail: `${engine.isAdopted ? 'runs' : 'started'} at ${socketPath}` };
    });
    return await steps.run('base-image', async () => {
      if (isReady) return { did: false, detail: `${inventory.recipe.reference} is cached`, value: null };
      const networkMode = choice.kind === 'private' ? 'host' : undefined;
      const image = await ensureBaseImage({
        driver: new DockerDriver({ socketPath }),
        recipe: inventory.recipe,
        kind: inventory.hasTar ? 'packages' : inventory.recipeKind,
        cacheDir: options.cacheDir,
        networkMode,
        onProgress: steps.progress,
        signal: options.signal,
      });
      return {
        did: image.source !== 'present',
        detail: `${image.reference} (${image.source}, ${Math.round(image.sizeBytes / 1e6)} MB)`,
        value: image.id,
      };
    });
  } finally {
    await letGo(engine, options.keepEngine === true);
  }
}

async function letGo(engine: PrivateEngine | null, keep: boolean): Promise<void> {
  if (engine === null) return;
  // One that was running before belongs to a daemon.
  if (keep || engine.isAdopted) engine.release();
  else await engine.stop();
}
