// The recipe of the base image, its cache and its lock.
import { mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { afterAll, describe, expect, test } from 'vitest';
import { debianSourceLines, parseDeb822, parseOneLine } from '../../../daemon/container/image/apt-sources.ts';
import { BaseCache, type CachedTar, verifiedStream } from '../../../daemon/container/image/base-cache.ts';
import { ensureBaseImage } from '../../../daemon/container/image/base-image.ts';
import { architectureOf, BASE_HASH_LABEL, loadBaseRecipe } from '../../../daemon/container/image/base-recipe.ts';
import { acquireBuildLock } from '../../../daemon/container/image/build-lock.ts';
import { FakeDriver } from '../../../daemon/testing/fake-driver.ts';

const scratch = mkdtempSync(path.join(tmpdir(), 'cloister-base-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
const recipeDir = path.resolve('images/base');
let serial = 0;
const freshDir = (): string => mkdtempSync(path.join(scratch, `${(serial += 1)}-`));
const drain = async (chunks: AsyncIterable<unknown>): Promise<void> => {
  for await (const _chunk of chunks) continue;
};

describe('the recipe', () => {
  test('is named by its content', async () => {
    const recipe = await loadBaseRecipe(recipeDir, 'x64');
    expect(recipe.reference).toBe(`cloister-base:${recipe.hash.slice(0, 12)}`);
    expect(recipe.packages).toEqual(expect.arrayContaining(['bash', 'git', 'python3-venv', 'ripgrep', 'gcc']));
    expect(recipe.changes).toContain('ENV LANG=C.UTF-8');
    expect((await loadBaseRecipe(recipeDir, 'arm64')).hash).not.toBe(recipe.hash);
  });

  test('of another architecture is refused', () => {
    expect(() => architectureOf('ia32')).toThrow('the architecture ia32 is not supported');
  });
});

describe('package sources of the host', () => {
  const deb822 =
    'Types: deb\nURIs: http://mirror/debian\nSuites: bookworm bookworm-updates\nComponents: main contrib\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n\n# other\nTypes: deb\nURIs: http://vendor/apt\nSuites: bookworm\nComponents: main\nSigned-By: /etc/apt/keyrings/vendor.gpg\n';

  test('are used for the release of the image, and only the main component', () => {
    expect(debianSourceLines(parseDeb822(deb822), 'bookworm')).toEqual([
      'deb http://mirror/debian bookworm main',
      'deb http://mirror/debian bookworm-updates main',
    ]);
  });

  test.each([
    ['a vendor with its own key', 'deb [arch=amd64 signed-by=/etc/apt/keyrings/vendor.gpg] http://vendor bookworm main', 'bookworm', []],
    ['a vendor with its own suite', 'deb http://vendor nodistro main', 'bookworm', []],
    ['source packages', 'deb-src http://mirror/debian bookworm main', 'bookworm', []],
    ['updates alone', 'deb http://mirror/debian bookworm-updates main', 'bookworm', []],
    ['a disabled line', '# deb http://mirror/debian bookworm main', 'bookworm', []],
  ])('%s never reaches the image', (_claim, text, codename, lines) => {
    expect(debianSourceLines(parseOneLine(text), codename)).toEqual(lines);
  });

  test('of another Debian release lend their mirror', () => {
    expect(
      debianSourceLines(parseOneLine('deb http://mirror/debian trixie main\ndeb http://mirror/security trixie-security main'), 'trixie'),
    ).toEqual(['deb http://mirror/debian bookworm main', 'deb http://mirror/security bookworm-security main']);
  });

  test('that are disabled do not count', () => {
    expect(parseDeb822(`Enabled: no\n${deb822.split('\n\n')[0]}`)).toEqual([]);
  });
});

describe('the cache', () => {
  const found = async (cache: BaseCache): Promise<CachedTar> => {
    const cached = await cache.find();
    if (cached === null) throw new Error('the cache is empty');
    return cached;
  };
  const filled = async (): Promise<{ cache: BaseCache; dir: string }> => {
    const dir = freshDir();
    const cache = new BaseCache(dir, 'abc');
    await cache.fill((target) => writeFile(target, 'root file system'));
    return { cache, dir };
  };

  test('holds what was made, and streams it', async () => {
    const { cache } = await filled();
    const cached = await found(cache);
    expect(cached.record.bytes).toBe(16);
    await drain(verifiedStream(cached));
  });

  test('does not count a file that was cut short', async () => {
    const { cache } = await filled();
    writeFileSync(cache.file, 'root');
    expect(await cache.find()).toBeNull();
  });

  test('notices an altered file of the same length at the end of the stream', async () => {
    const { cache } = await filled();
    writeFileSync(cache.file, 'ROOT file system');
    const cached = await found(cache);
    await expect(pipeline(verifiedStream(cached), drain)).rejects.toThrow('does not match its checksum');
  });

  test('keeps the tars of the last three recipes', async () => {
    const dir = freshDir();
    for (const hash of ['a1', 'a2', 'a3', 'a4']) {
      await new BaseCache(dir, hash).fill((target) => writeFile(target, hash));
      const seconds = Number(hash.slice(1));
      utimesSync(path.join(dir, `base-${hash}.tar`), seconds, seconds);
    }
    expect(readdirSync(dir).toSorted()).toEqual(['a2', 'a3', 'a4'].flatMap((hash) => [`base-${hash}.tar`, `base-${hash}.tar.json`]));
  });

  test('keeps nothing of a build that failed', async () => {
    const dir = freshDir();
    const cache = new BaseCache(dir, 'abc');
    const failing = cache.fill(async (target) => {
      await writeFile(target, 'half');
      throw new Error('power cut');
    });
    await expect(failing).rejects.toThrow('power cut');
    expect(readdirSync(dir)).toEqual([]);
  });
});

describe('an engine gets the base image', () => {
  const cachedOptions = async (driver: FakeDriver): Promise<Parameters<typeof ensureBaseImage>[0]> => {
    const recipe = await loadBaseRecipe(recipeDir, 'x64');
    const cacheDir = freshDir();
    await new BaseCache(cacheDir, recipe.hash).fill((target) => writeFile(target, 'root file system'));
    return { driver, recipe, kind: 'packages', cacheDir, onProgress: () => undefined };
  };

  test('from the cache the first time, and not at all the second', async () => {
    const driver = new FakeDriver();
    const options = await cachedOptions(driver);
    const first = await ensureBaseImage(options);
    expect(first).toMatchObject({ name: 'base', reference: options.recipe.reference, source: 'cache' });
    expect(await ensureBaseImage(options)).toEqual({ ...first, source: 'present' });
  });

  test('again when something else carries its tag', async () => {
    const driver = new FakeDriver();
    const options = await cachedOptions(driver);
    const impostor = driver.addImage(options.recipe.reference, { labels: { [BASE_HASH_LABEL]: 'another' } });
    expect((await ensureBaseImage(options)).id).not.toBe(impostor.id);
  });
});

describe('the build lock', () => {
  test('admits the second builder after the first', async () => {
    const file = path.join(freshDir(), 'lock');
    const first = await acquireBuildLock(file, () => undefined);
    const order: string[] = [];
    const second = acquireBuildLock(file, () => order.push('waits')).then((lock) => {
      order.push('enters');
      return lock;
    });
    await expect.poll(() => order).toEqual(['waits']);
    order.push('leaves');
    await first[Symbol.asyncDispose]();
    await (await second)[Symbol.asyncDispose]();
    expect(order).toEqual(['waits', 'leaves', 'enters']);
    expect(readdirSync(path.dirname(file))).toEqual([]);
  });

  test.each([
    ['a process that is gone', JSON.stringify({ pid: 2 ** 22 - 3, startTicks: '1', token: 'x' })],
    ['a pid that was given to another process', JSON.stringify({ pid: process.pid, startTicks: '1', token: 'x' })],
    ['nobody, as it is not a lock', 'garbage'],
  ])('of %s is taken over', async (_claim, content) => {
    const file = path.join(freshDir(), 'lock');
    writeFileSync(file, content);
    await using lock = await acquireBuildLock(file, () => undefined);
    expect(lock.file).toBe(file);
  });
});
