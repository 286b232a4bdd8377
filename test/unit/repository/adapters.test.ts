// Who imports what: the client comes without any framework, and each adapter with its own one only.

import { readdirSync, readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import ts from 'typescript';
import { expect, test } from 'vitest';
import { z } from 'zod';

const names = z.record(z.string(), z.string());
const Manifest = z.looseObject({
  exports: z.record(z.string(), z.unknown()),
  dependencies: names,
  devDependencies: names,
  peerDependencies: names,
  peerDependenciesMeta: z.record(z.string(), z.object({ optional: z.literal(true) })),
});
const manifest = Manifest.parse(JSON.parse(readFileSync('package.json', 'utf8')));
const ADAPTERS = {
  ai: ['ai', 'bash-tool'],
  anthropic: ['@anthropic-ai/sdk'],
  computesdk: ['@computesdk/provider'],
  deepagents: ['deepagents'],
  mastra: ['@mastra/core'],
  'openai-agents': ['@openai/agents'],
} as const;

/** Packages that a module and all it imports ask for, types included. */
function packagesOf(entry: string, seen = new Set<string>()): Set<string> {
  const packages = new Set<string>();
  if (seen.has(entry)) return packages;
  seen.add(entry);
  for (const { fileName } of ts.preProcessFile(readFileSync(entry, 'utf8'), true, true).importedFiles) {
    if (fileName.startsWith('.')) for (const name of packagesOf(resolve(dirname(entry), fileName), seen)) packages.add(name);
    else if (!fileName.startsWith('node:')) packages.add(/^(@[^/]+\/)?[^/]+/.exec(fileName)?.[0] ?? fileName);
  }
  return packages;
}

test('the client and the protocol ask for nothing but dependencies of the package', () => {
  for (const entry of ['client/index.ts', 'client/protocol/index.ts']) {
    expect([...packagesOf(resolve(entry))].filter((name) => !(name in manifest.dependencies))).toEqual([]);
  }
});

test('every adapter is a subpath and has its framework as an optional peer, tested with a version of its own', () => {
  expect(readdirSync('client/adapters', { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [entry.name] : []))).toEqual(
    Object.keys(ADAPTERS),
  );
  const frameworks = Object.values(ADAPTERS).flat().toSorted();
  expect(Object.keys(manifest.peerDependencies)).toEqual(frameworks);
  expect(Object.keys(manifest.peerDependenciesMeta)).toEqual(frameworks);
  expect(frameworks.filter((name) => name in manifest.dependencies || !(name in manifest.devDependencies))).toEqual([]);
  for (const [name, allowed] of Object.entries(ADAPTERS)) {
    expect(manifest.exports[`./${name}`]).toEqual({
      types: `./dist/client/adapters/${name}/index.d.ts`,
      default: `./dist/client/adapters/${name}/index.js`,
    });
    const foreign = [...packagesOf(resolve(`client/adapters/${name}/index.ts`))].filter((asked) => !(asked in manifest.dependencies));
    expect(foreign.toSorted()).toEqual([...allowed]);
  }
});

const linesIn = (directory: string): readonly number[] =>
  readdirSync(directory, { withFileTypes: true }).flatMap((entry) =>
    entry.isFile() ? [readFileSync(`${directory}/${entry.name}`, 'utf8').trimEnd().split('\n').length] : [],
  );

test.each(['ai', 'anthropic', 'computesdk', 'deepagents'])('the adapter %s is thin: under 200 lines with all its files', (name) => {
  expect(linesIn(`client/adapters/${name}`).reduce((sum, count) => sum + count, 0)).toBeLessThan(200);
});

test.each(['mastra', 'openai-agents'])('the adapter %s implements several interfaces: each file is under 200 lines', (name) => {
  expect(Math.max(...linesIn(`client/adapters/${name}`))).toBeLessThan(200);
});

test('what no framework owns knows none', () => {
  const shared = readdirSync('client/adapters', { withFileTypes: true }).filter((entry) => entry.isFile());
  for (const { name } of shared) {
    const foreign = [...packagesOf(resolve(`client/adapters/${name}`))].filter((asked) => !(asked in manifest.dependencies));
    expect(foreign, name).toEqual([]);
  }
});
