// Files through E2B's own, unmodified package, on a real engine.

import { randomBytes } from 'node:crypto';
import {
  FileNotFoundError,
  FileType,
  FilesystemEventType,
  type FilesystemEvent,
  InvalidArgumentError,
  NotEnoughSpaceError,
  type Sandbox,
} from 'e2b';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { HOME } from '../../daemon/compat/sandbox-path.ts';
import { startE2bWorld, type E2bWorld } from '../support/e2b-world.ts';
import { eventually } from '../support/eventually.ts';

let world: E2bWorld;
let sandbox: Sandbox;

beforeAll(async () => {
  world = await startE2bWorld({ config: { defaults: { limits: { diskBytes: 32 * 1024 * 1024 } } } });
  sandbox = await world.create();
});
afterAll(() => world[Symbol.asyncDispose]());

const bytesOf = async (stream: ReadableStream<Uint8Array>): Promise<Buffer> => {
  const parts: Uint8Array[] = [];
  for await (const part of stream as unknown as AsyncIterable<Uint8Array>) parts.push(part);
  return Buffer.concat(parts);
};

describe('a file', () => {
  test('is written from and read as text, bytes, blob and stream', async () => {
    const bytes = randomBytes(300_000);
    expect(await sandbox.files.write(`${HOME}/deep/er/a.txt`, 'grüße')).toMatchObject({
      name: 'a.txt',
      type: 'file',
      path: '/workspace/deep/er/a.txt',
    });
    expect(await sandbox.files.read('deep/er/a.txt')).toBe('grüße');
    await sandbox.files.write('b.bin', new Uint8Array(bytes).buffer);
    expect(Buffer.from(await sandbox.files.read('b.bin', { format: 'bytes' })).equals(bytes)).toBe(true);
    await sandbox.files.write('c.bin', new Blob([bytes]));
    expect(Buffer.from(await (await sandbox.files.read('c.bin', { format: 'blob' })).arrayBuffer()).equals(bytes)).toBe(true);
    await sandbox.files.write('d.bin', new Blob([bytes]).stream());
    expect((await bytesOf(await sandbox.files.read('/workspace/d.bin', { format: 'stream' }))).equals(bytes)).toBe(true);
    await sandbox.files.write('e.txt', 'packed '.repeat(1000), { gzip: true });
    expect(await sandbox.files.read('e.txt')).toBe('packed '.repeat(1000));
    await sandbox.files.write('empty', '');
    expect(await sandbox.files.read('empty')).toBe('');
  });

  test('is what commands see', async () => {
    expect((await sandbox.commands.run('cat ~/deep/er/a.txt; stat -c %s b.bin')).stdout).toBe('grüße300000\n');
  });

  test('is one of many that are written at once', async () => {
    const names = Array.from({ length: 20 }, (_, index) => `many/${index}.txt`);
    const written = await sandbox.files.writeFiles(names.map((path) => ({ path, data: `I am ${path}` })));
    expect(written.map(({ path }) => path)).toEqual(names.map((name) => `/workspace/${name}`));
    expect(await sandbox.files.read('many/19.txt')).toBe('I am many/19.txt');
  });

  test('that is not there, is a directory or is not in the workspace is an error that says so', async () => {
    await expect(sandbox.files.read('nowhere')).rejects.toBeInstanceOf(FileNotFoundError);
    await expect(sandbox.files.read('many')).rejects.toBeInstanceOf(InvalidArgumentError);
    for (const path of ['/etc/passwd', '../../etc/passwd', `${HOME}/../other`, '/workspace/../etc/passwd', '~/../../etc/shadow']) {
      await expect(sandbox.files.read(path)).rejects.toThrow(/not in the workspace/);
      await expect(sandbox.files.write(path, 'x')).rejects.toThrow(/not in the workspace/);
      await expect(sandbox.files.write([{ path, data: 'x' }])).rejects.toThrow(/not in the workspace/);
      await expect(sandbox.files.getInfo(path)).rejects.toThrow(/not in the workspace/);
    }
    await sandbox.commands.run('ln -s /etc/passwd leads-out');
    await expect(sandbox.files.read('leads-out')).rejects.toThrow(/out of the workspace|escapes/i);
  });
});

describe('a file that is too large', () => {
  test.each(['as a form', 'as plain bytes', 'packed'] as const)('%s is refused as that, and what was there stays', async (how) => {
    await sandbox.files.write('large', 'small');
    const data = new Blob([new Uint8Array(randomBytes(48 * 1024 * 1024))]);
    const options = { useOctetStream: how === 'as plain bytes', gzip: how === 'packed' };
    await expect(sandbox.files.write('large', data, options)).rejects.toBeInstanceOf(NotEnoughSpaceError);
    expect(await sandbox.files.read('large')).toBe('small');
  });
});

describe('a directory', () => {
  test('is made once, listed to a depth, renamed and removed', async () => {
    expect(await sandbox.files.makeDir('tree/one/two')).toBe(true);
    expect(await sandbox.files.makeDir('tree/one/two')).toBe(false);
    await sandbox.files.write('tree/one/two/three.txt', '3');
    const shallow = await sandbox.files.list('tree');
    expect(shallow.map(({ name, type, path }) => ({ name, type, path }))).toEqual([
      { name: 'one', type: FileType.DIR, path: '/workspace/tree/one' },
    ]);
    const deep = await sandbox.files.list('tree', { depth: 3 });
    expect(deep.map(({ path }) => path)).toEqual(['/workspace/tree/one', '/workspace/tree/one/two', '/workspace/tree/one/two/three.txt']);
    expect(await sandbox.files.rename('tree/one', 'grown/elsewhere')).toMatchObject({
      path: '/workspace/grown/elsewhere',
      type: FileType.DIR,
    });
    expect(await sandbox.files.exists('tree/one')).toBe(false);
    expect(await sandbox.files.exists('grown/elsewhere/two/three.txt')).toBe(true);
    await sandbox.files.remove('grown');
    expect(await sandbox.files.exists('grown')).toBe(false);
    await expect(sandbox.files.list('grown')).rejects.toBeInstanceOf(FileNotFoundError);
    await expect(sandbox.files.remove(HOME)).rejects.toThrow(/workspace itself/);
  });

  test('has entries with size, mode, time and where they point', async () => {
    await sandbox.commands.run('printf 12345 > info.txt; chmod 640 info.txt; ln -sf info.txt link');
    const info = await sandbox.files.getInfo('info.txt');
    expect(info).toMatchObject({
      name: 'info.txt',
      type: FileType.FILE,
      size: 5,
      mode: 0o640,
      permissions: '-rw-r-----',
      path: '/workspace/info.txt',
    });
    expect(info.modifiedTime).toBeInstanceOf(Date);
    expect(await sandbox.files.getInfo('link')).toMatchObject({ symlinkTarget: 'info.txt' });
  });

  test('is watched, with what is below it, until the watch is stopped', async () => {
    await sandbox.files.makeDir('seen/below');
    const events: FilesystemEvent[] = [];
    const watch = await sandbox.files.watchDir('seen', (event) => void events.push(event), { recursive: true, timeoutMs: 0 });
    await sandbox.files.write('seen/below/new.txt', 'x');
    await eventually(
      () => events,
      (all) =>
        all.some(
          ({ name, type }) => name === 'below/new.txt' && (type === FilesystemEventType.CREATE || type === FilesystemEventType.WRITE),
        ),
    );
    await sandbox.files.rename('seen/below/new.txt', 'seen/moved.txt');
    await sandbox.files.remove('seen/moved.txt');
    const told = await eventually(
      () => events.map(({ name, type }) => `${type} ${name}`),
      (all) => all.includes('remove moved.txt'),
    );
    expect(told).toContain('create moved.txt');
    await watch.stop();
    await expect(sandbox.files.watchDir('nowhere', () => undefined)).rejects.toBeInstanceOf(FileNotFoundError);
  });
});

describe('an address of a file', () => {
  test('uploads and downloads for whoever has it, and no other file', async () => {
    const form = new FormData();
    form.append('file', new Blob(['by address']), 'x');
    const up = await fetch(await sandbox.uploadUrl('shared.txt'), { method: 'POST', body: form });
    expect(up.status).toBe(200);
    const url = await sandbox.downloadUrl('shared.txt', { useSignatureExpiration: 60 });
    const down = await fetch(url);
    expect(await down.text()).toBe('by address');
    expect(down.headers.get('content-disposition')).toBe('attachment');
    expect((await fetch(url.replace('shared.txt', 'info.txt'))).status).toBe(401);
    expect((await fetch(url.replace(/signature=v1_.../, 'signature=v1_AAA'))).status).toBe(401);
    expect((await fetch(url, { method: 'POST', body: form })).status).toBe(401);
    expect((await fetch(await sandbox.downloadUrl('shared.txt', { useSignatureExpiration: -60 }))).status).toBe(401);
  });

  test('that is cut off leaves what was there', async () => {
    await sandbox.files.write('whole.txt', 'old');
    const abort = new AbortController();
    let sent = 0;
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        sent += 1;
        if (sent > 3) abort.abort();
        else controller.enqueue(new Uint8Array(70_000));
      },
    });
    await expect(
      fetch(await sandbox.uploadUrl('whole.txt'), { method: 'POST', body, duplex: 'half', signal: abort.signal }),
    ).rejects.toThrow(/abort/);
    expect(await sandbox.files.read('whole.txt')).toBe('old');
  });
});
