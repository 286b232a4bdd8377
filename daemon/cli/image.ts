// `cloister image`: add one from a Dockerfile, an archive or a registry; which there are; take one away. For operators.

import { createReadStream } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { pipeline } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { type Command, InvalidArgumentError } from 'commander';
import { act, printJson } from '../../client/cli/act.ts';
import { bytesText } from '../../client/cli/byte-count.ts';
import type { CliContext } from '../../client/cli/index.ts';
import { escapeText } from '../../client/cli/escape-text.ts';
import { Progress } from '../../client/cli/progress.ts';
import { formatTable, tableOptionsOf } from '../../client/cli/table.ts';
import { ClientError, type ImageFinding, type ImageFindingName, type ImageInfo, SandboxError } from '../../client/index.ts';
import type { ImageSource } from '../../client/images.ts';
import { IMAGE_FINDINGS } from '../../client/protocol/images.ts';
import { openBuildContext } from '../container/image/build-context.ts';

const GZIP = [0x1f, 0x8b];
const SHORT_ID = 'sha256:'.length + 12;

interface AddFlags {
  readonly from: string;
  readonly accept: readonly ImageFindingName[];
  readonly network?: boolean;
}

export function addImageCommand(program: Command, context: CliContext): void {
  const image = program.command('image').description('images that sessions may ask for, beside those of the configuration');
  image
    .command('add')
    .description('build, load or pull an image, check it, and allow it under a name, pinned to its content')
    .argument('<name>', 'what sessions call it')
    .requiredOption(
      '--from <source>',
      'directory with a Dockerfile, file that docker save wrote, or image reference; what exists is a path',
    )
    .option('--accept <findings>', 'add it in spite of these findings, separated by commas: setuid-files,entrypoint', parseFindings, [])
    .option('--network', 'let the steps of the Dockerfile use the network')
    .action((name: string, flags: AddFlags) =>
      act(context, 1, async ({ images }) => {
        const progress = new Progress(context.err);
        const stop = new AbortController();
        const off = context.onSignal(() => stop.abort());
        const say = (line: string): void => {
          progress.end();
          if (!context.json) context.err.write(`${escapeText(line)}\n`);
        };
        const findings: ImageFinding[] = [];
        try {
          const source = await sourceOf(flags, (bytes) => progress.tell(`sent ${bytesText(bytes)}`));
          const added = await images.add(name, source, {
            accept: flags.accept,
            signal: stop.signal,
            onProgress: say,
            onFinding: (finding) => findings.push(finding),
          });
          progress.end();
          showFindings(context, findings, flags.accept);
          if (context.json) printJson(context, { ...added, findings });
          else context.out.write(`${name} is ${added.id}, ${bytesText(added.sizeBytes)}\n`);
          return 0;
        } catch (error) {
          progress.end();
          showFindings(context, findings, flags.accept);
          if (stop.signal.aborted) throw new ClientError('ABORTED', `Cannot add image ${name}: interrupted; nothing was added`);
          throw error;
        } finally {
          off();
        }
      }),
    );
  image
    .command('list')
    .description('list the images that sessions may ask for')
    .action(() =>
      act(context, 1, async ({ images }) => {
        const all = await images.list();
        if (context.json) printJson(context, all);
        else
          context.out.write(
            formatTable(['NAME', 'SOURCE', 'IMAGE', 'SIZE', 'ADDED', 'ACCEPTED', 'USED BY'], all.map(row), tableOptionsOf(context.out)),
          );
        return 0;
      }),
    );
  image
    .command('remove')
    .description('take an image that was added away; not while sandboxes of it live')
    .argument('<name>', 'as image list shows it')
    .action((name: string) =>
      act(context, 1, async ({ images }) => {
        const removed = await images.remove(name);
        if (context.json) printJson(context, removed);
        else context.out.write(`${name} removed\n`);
        return 0;
      }),
    );
}

const row = ({ name, source, id, sizeBytes, added, usedBy }: ImageInfo): string[] => [
  name,
  source,
  id === null ? 'not in the engine' : id.slice(0, SHORT_ID),
  bytesText(sizeBytes),
  added?.addedAt ?? '-',
  added === null || added.accepted.length === 0 ? '-' : added.accepted.join(','),
  String(usedBy.length),
];

/** `accepted`, `refused` or `note` before each, on standard error. */
function showFindings(context: CliContext, findings: readonly ImageFinding[], accepted: readonly ImageFindingName[]): void {
  if (context.json || findings.length === 0) return;
  const verdict = ({ name, weight }: ImageFinding): string =>
    weight === 'note' ? 'note' : weight === 'accept' && accepted.includes(name) ? 'accepted' : 'refused';
  context.err.write(
    formatTable(
      ['FINDING', 'VERDICT', 'DETAIL'],
      findings.map((finding) => [finding.name, verdict(finding), finding.detail]),
      tableOptionsOf(context.err),
    ),
  );
}

async function sourceOf({ from, network }: AddFlags, onBytes: (bytes: number) => void): Promise<ImageSource> {
  const found = await stat(from).catch(() => null);
  if (found?.isDirectory() === true) return { kind: 'build', context: await openBuildContext(from, { onBytes }), network };
  if (found?.isFile() === true) return { kind: 'load', archive: counted(await openArchive(from), onBytes) };
  if (found !== null || from.startsWith('.') || from.startsWith('/'))
    throw new SandboxError(
      'INVALID_REQUEST',
      `Cannot add from ${from}: ${found === null ? 'it does not exist' : 'it is neither directory nor file'}`,
      {
        hint: 'Name a directory with a Dockerfile, a file that docker save wrote, or an image reference.',
      },
    );
  return { kind: 'pull', reference: from };
}

/** Written with gzip or without. */
async function openArchive(path: string): Promise<AsyncIterable<Uint8Array>> {
  const file = await open(path);
  const head = Buffer.alloc(GZIP.length);
  try {
    await file.read(head, 0, GZIP.length, 0);
  } finally {
    await file.close();
  }
  const bytes = createReadStream(path, { highWaterMark: 256 * 1024 });
  // What fails of the file is thrown to whoever reads what came of it.
  return head.equals(Buffer.from(GZIP)) ? pipeline(bytes, createGunzip(), () => undefined) : (bytes as AsyncIterable<Uint8Array>);
}

async function* counted(source: AsyncIterable<Uint8Array>, onBytes: (bytes: number) => void): AsyncGenerator<Uint8Array, void, undefined> {
  let bytes = 0;
  for await (const part of source) {
    bytes += part.byteLength;
    onBytes(bytes);
    yield part;
  }
}

function parseFindings(text: string, former: readonly ImageFindingName[]): readonly ImageFindingName[] {
  const names = text.split(',').map((name) => name.trim());
  const known = names.map((name) => IMAGE_FINDINGS.find((finding) => finding === name));
  if (known.includes(undefined)) throw new InvalidArgumentError(`Must be among ${IMAGE_FINDINGS.join(', ')}.`);
  return [...former, ...known.filter((name) => name !== undefined)];
}
