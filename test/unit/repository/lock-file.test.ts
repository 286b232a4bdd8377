// A lock file that was written where a platform's packages can't be had leaves them out, and `npm ci` fails everywhere else.

import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { z } from 'zod';

const Lock = z.looseObject({
  packages: z.record(
    z.string(),
    z.looseObject({ version: z.string().optional(), optionalDependencies: z.record(z.string(), z.string()).optional() }),
  ),
});

const { packages } = Lock.parse(JSON.parse(readFileSync('package-lock.json', 'utf8')));

/** Whether a package at `from` finds `name` as Node would: in its own folder, then in each one further out. */
function isLocked(name: string, from: string): boolean {
  const outer = from.split('/node_modules/').map((_, depth, parts) => parts.slice(0, depth + 1).join('/node_modules/'));
  return ['', ...outer].some((folder) => `${folder === '' ? '' : `${folder}/`}node_modules/${name}` in packages);
}

test('the lock file has every optional package of every platform', () => {
  const missing = Object.entries(packages).flatMap(([from, { optionalDependencies = {} }]) =>
    Object.keys(optionalDependencies).filter((name) => !isLocked(name, from)),
  );
  expect(missing).toEqual([]);
});

test('the lock file names no registry of its own', () => {
  const urls = [...readFileSync('package-lock.json', 'utf8').matchAll(/"resolved": "(https?:\/\/[^/"]+)/g)].map((match) => match[1]);
  expect(urls.filter((url) => url !== 'https://registry.npmjs.org')).toEqual([]);
});
