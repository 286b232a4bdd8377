// The content of files, over plain HTTP: one read, one written as it is, or several as the parts of a form. Owns the streams, of
// which nothing is kept whole; a file is put in place only when all of it has come.

import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Readable, Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { Busboy } from '@fastify/busboy';
import { type Sandbox, SandboxError } from '../../client/index.ts';
import { partsOf, sendJson } from './http-io.ts';
import type { LiveSandbox } from './live-sandboxes.ts';
import { baseName, shownPath, workspaceNameOf } from './sandbox-path.ts';

const MAX_FILES = 1000;

export async function answerFiles(request: IncomingMessage, response: ServerResponse, url: URL, { sandbox }: LiveSandbox): Promise<void> {
  const path = url.searchParams.get('path') ?? '';
  if (request.method === 'GET') return await sendFile(response, sandbox, workspaceNameOf(path));
  if (request.method !== 'POST') throw new SandboxError('INVALID_REQUEST', 'Cannot answer: files are read with GET and written with POST');
  const type = (request.headers['content-type'] ?? '').split(';', 1)[0]?.toLowerCase();
  const names =
    type === 'multipart/form-data' ? await writeParts(request, sandbox, path) : await writeBody(request, sandbox, workspaceNameOf(path));
  sendJson(
    response,
    200,
    names.map((name) => ({ name: baseName(name), type: 'file', path: shownPath(name) })),
  );
}

async function sendFile(response: ServerResponse, { files }: Pick<Sandbox, 'files'>, name: string): Promise<void> {
  const stat = await files.stat(name);
  if (stat.kind === 'directory') throw new SandboxError('IS_DIRECTORY', `Cannot read ${shownPath(name)}: it is a directory`);
  const parts = files.readStream(name);
  // What can't be read is told before there is an answer.
  let next = await parts.next();
  response.writeHead(200, {
    'content-type': 'application/octet-stream',
    'content-length': stat.size,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    // What a sandbox wrote is never shown in the origin of this endpoint.
    'content-disposition': 'attachment',
  });
  let left = stat.size;
  try {
    for (; next.done !== true; next = await parts.next()) {
      left -= next.value.byteLength;
      if (left < 0 || response.destroyed) break;
      if (!response.write(next.value)) await Promise.race([once(response, 'drain'), once(response, 'close')]);
    }
  } finally {
    void parts.return(undefined as never).catch(() => undefined);
  }
  // It was changed meanwhile: half of one file and half of another must not pass for either.
  if (left === 0) response.end();
  else response.destroy();
}

async function writeBody(request: IncomingMessage, { files }: Pick<Sandbox, 'files'>, name: string): Promise<string[]> {
  await files.write(name, plainBody(request));
  return [name];
}

/** What is unpacked is bounded by the workspace it is written to. */
function plainBody(request: IncomingMessage): AsyncIterable<Buffer> {
  const encoding = request.headers['content-encoding'] ?? 'identity';
  if (encoding === 'identity') return partsOf(request);
  if (encoding !== 'gzip')
    throw new SandboxError('INVALID_REQUEST', `Cannot write the file: its encoding ${JSON.stringify(encoding)} is not known`);
  const unpacked = createGunzip();
  feed(request, unpacked);
  return unpacked;
}

/** A body that is cut off is an error to its reader; a reader that stops leaves the connection, and the rest is passed over. */
function feed(request: IncomingMessage, reader: Writable): void {
  request.on('error', (error) => reader.destroy(error));
  request.once('close', () => {
    if (!request.complete) reader.destroy(new Error('the request was cut off'));
  });
  reader.once('close', () => {
    request.unpipe(reader);
    request.resume();
  });
  request.pipe(reader);
}

/** One file with its path in the address, or several with paths of their own. */
async function writeParts(request: IncomingMessage, { files }: Pick<Sandbox, 'files'>, path: string): Promise<string[]> {
  const names: string[] = [];
  const writing: Promise<unknown>[] = [];
  const parts: Readable[] = [];
  const parser = parserOf(request);
  const write = async (name: string, part: Readable): Promise<void> => {
    try {
      if (path !== '' && names.length > 0) throw new SandboxError('INVALID_REQUEST', 'Cannot write files: there is one path for several');
      const target = workspaceNameOf(path === '' ? name : path);
      names.push(target);
      await files.write(target, part);
    } catch (error) {
      parser.destroy(error instanceof Error ? error : new Error(String(error)));
      throw error;
    }
  };
  parser.on('file', (_field, part, name) => {
    part.on('error', () => undefined);
    parts.push(part);
    const written = write(name, part);
    written.catch(() => undefined);
    writing.push(written);
  });
  parser.on('filesLimit', () =>
    parser.destroy(new SandboxError('TOO_LARGE', `Cannot write files: there are more than ${MAX_FILES} at once`)),
  );
  try {
    feed(request, parser);
    await finished(parser);
  } catch (error) {
    const failure = error instanceof Error ? error : new Error(String(error));
    for (const part of parts) part.destroy(failure);
    const own = (await Promise.allSettled(writing)).find((result) => result.status === 'rejected' && SandboxError.is(result.reason));
    if (own?.status === 'rejected') throw own.reason;
    throw SandboxError.is(error)
      ? error
      : new SandboxError('INVALID_REQUEST', `Cannot read the form: ${failure.message}`, { cause: error });
  }
  await Promise.all(writing);
  if (names.length === 0) throw new SandboxError('INVALID_REQUEST', 'Cannot write files: the form has none');
  return names;
}

function parserOf(request: IncomingMessage): InstanceType<typeof Busboy> {
  try {
    return new Busboy({
      headers: { ...request.headers, 'content-type': request.headers['content-type'] ?? '' },
      preservePath: true,
      limits: { files: MAX_FILES, fields: 16, fieldSize: 4096, headerPairs: 32, headerSize: 16 * 1024 },
    });
  } catch (cause) {
    throw new SandboxError('INVALID_REQUEST', 'Cannot read the form: its header names no boundary', { cause });
  }
}
