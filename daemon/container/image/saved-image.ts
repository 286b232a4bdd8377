// An archive of `docker save` on its way to the engine: exactly one image, under a reference of ours. What else it would name is
// left out, because an engine gives the names in an archive to what is in it, ours included.

import { type Extract, extract, type Header } from 'tar-stream';
import { z } from 'zod';
import { SandboxError } from '../../../client/protocol/errors.ts';
import { feedArchive } from '../../../client/protocol/feed-archive.ts';
import { TAR_END, tarHeader, tarPadding } from '../../../client/protocol/tar-header.ts';

const MAX_ENTRIES = 10_000;
const MAX_MANIFEST_BYTES = 1024 * 1024;
const MANIFEST = 'manifest.json';
/** They name images, or say in another way what the manifest says. */
const LEFT_OUT = new Set(['repositories', 'index.json', 'oci-layout']);
const HEX = '[0-9a-f]{64}';
const KNOWN = new RegExp(`^(?:${HEX}(?:\\.json|\\.tar|/(?:layer\\.tar|json|VERSION)|/)?|blobs/(?:sha256/(?:${HEX})?)?)$`);
/** A layer that stands twice is written once. */
const TWIN = new RegExp(`^\\.\\./${HEX}(?:/layer\\.tar|\\.tar)$`);

type Entry = Extract extends AsyncIterable<infer One> ? One : never;

const Path = z.string().regex(KNOWN);
const Manifest = z.array(z.looseObject({ Config: Path, Layers: z.array(Path).max(1024) }));

/** INVALID_REQUEST for what is no archive of one image, as soon as that is seen. */
export async function* savedImage(source: AsyncIterable<Uint8Array>, reference: string): AsyncGenerator<Uint8Array, void, undefined> {
  const archive = extract();
  const feeding = feedArchive(source, archive);
  feeding.catch(() => undefined);
  let manifest: z.output<typeof Manifest> | null = null;
  let entries = 0;
  try {
    for await (const entry of archive) {
      entries += 1;
      if (entries > MAX_ENTRIES) throw refusal(`it has more than ${MAX_ENTRIES} entries`);
      const { header } = entry;
      if (header.name === MANIFEST) manifest = await readManifest(entry);
      else if (LEFT_OUT.has(header.name)) entry.resume();
      else yield* passed(entry, judged(header));
    }
    await feeding;
  } catch (error) {
    archive.destroy(null);
    throw SandboxError.is(error) || !isOfTar(error) ? error : refusal(error.message);
  }
  const [image, ...others] = manifest ?? [];
  if (image === undefined) throw refusal(manifest === null ? `it has no ${MANIFEST}` : 'it has no image');
  if (others.length > 0) throw refusal(`it has ${others.length + 1} images, and one has to be chosen`);
  const text = Buffer.from(JSON.stringify([{ Config: image.Config, RepoTags: [reference], Layers: image.Layers }]));
  yield tarHeader({ type: 'file', name: MANIFEST, mode: 0o644, size: text.length, modifiedAtMs: 0 });
  yield text;
  yield tarPadding(text.length);
  yield TAR_END;
}

function judged(header: Header): 'file' | 'directory' | 'symlink' {
  const { name, type, linkname } = header;
  const shown = JSON.stringify(name.slice(0, 100));
  if (!KNOWN.test(type === 'directory' && !name.endsWith('/') ? `${name}/` : name)) throw refusal(`${shown} is nothing that one has in it`);
  if (type === 'file' || type === 'directory') return type;
  if (type === 'symlink' && TWIN.test(linkname)) return type;
  throw refusal(`${shown} is a ${type}`);
}

async function* passed(entry: Entry, type: 'file' | 'directory' | 'symlink'): AsyncGenerator<Uint8Array, void, undefined> {
  const { name, linkname, size } = entry.header;
  const length = type === 'file' ? size : 0;
  const target = type === 'symlink' ? linkname : undefined;
  yield tarHeader({ type, name, mode: type === 'file' ? 0o644 : 0o755, size: length, modifiedAtMs: 0, target });
  for await (const bytes of entry as unknown as AsyncIterable<Uint8Array>) if (type === 'file') yield bytes;
  yield tarPadding(length);
}

async function readManifest(entry: Entry): Promise<z.output<typeof Manifest>> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of entry as unknown as AsyncIterable<Uint8Array>) {
    bytes += part.byteLength;
    if (bytes > MAX_MANIFEST_BYTES) throw refusal(`its ${MANIFEST} is longer than 1 MiB`);
    parts.push(part);
  }
  try {
    return Manifest.parse(JSON.parse(Buffer.concat(parts).toString('utf8')));
  } catch {
    throw refusal(`its ${MANIFEST} is not understood`);
  }
}

const refusal = (cause: string): SandboxError =>
  new SandboxError('INVALID_REQUEST', `Cannot load the image: this is no archive of one image: ${cause}`, {
    hint: 'Write one with: docker save --output FILE.tar IMAGE',
  });

const isOfTar = (error: unknown): error is Error => error instanceof Error && /tar|unexpected end|header/i.test(error.message);
