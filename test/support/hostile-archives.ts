// Archives that no honest client sends, as bytes, with what must become of them.

import { gzipSync } from 'node:zlib';
import { pack, type Pack } from 'tar-stream';

type EntryHeader = Parameters<Pack['entry']>[0];

export interface HostileArchive {
  readonly bytes: Buffer;
  readonly code: string;
}

export async function archiveOf(...entries: readonly (EntryHeader & { readonly content?: string })[]): Promise<Buffer> {
  const archive = pack();
  for (const { content, ...header } of entries) {
    if (content === undefined) archive.entry(header);
    else archive.entry(header, content);
  }
  archive.finalize();
  const parts: Buffer[] = [];
  for await (const part of archive as AsyncIterable<Buffer>) parts.push(part);
  return Buffer.concat(parts);
}

/** tar-stream writes no size that the content does not have. */
async function claimingSize(size: number): Promise<Buffer> {
  const bytes = Buffer.from(await archiveOf({ name: 'bomb', content: 'x' }));
  bytes.write(`${size.toString(8).padStart(11, '0')}\0`, 124, 'latin1');
  bytes.fill(' ', 148, 156);
  const sum = bytes.subarray(0, 512).reduce((all, byte) => all + byte, 0);
  bytes.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return bytes;
}

export async function hostileArchives(): Promise<Readonly<Record<string, HostileArchive>>> {
  const file = (name: string) => archiveOf({ name, content: 'evil' });
  return {
    'an absolute name': { bytes: await file('/etc/cron.d/evil'), code: 'PATH_ESCAPES_WORKSPACE' },
    'a name that goes up': { bytes: await file('../evil'), code: 'PATH_ESCAPES_WORKSPACE' },
    'a name that goes up in the middle': { bytes: await file('a/../../evil'), code: 'PATH_ESCAPES_WORKSPACE' },
    'a long name that goes up, in a pax record': {
      bytes: await file(`${'d/'.repeat(80)}${'../'.repeat(81)}evil`),
      code: 'PATH_ESCAPES_WORKSPACE',
    },
    'an absolute symlink': { bytes: await archiveOf({ name: 'out', type: 'symlink', linkname: '/etc' }), code: 'INVALID_REQUEST' },
    'a symlink that goes up too far': {
      bytes: await archiveOf({ name: 'd/out', type: 'symlink', linkname: '../../etc' }),
      code: 'INVALID_REQUEST',
    },
    'a symlink that goes up behind another': {
      bytes: await archiveOf(
        { name: 'here', type: 'symlink', linkname: '.' },
        { name: 'out', type: 'symlink', linkname: 'here/../secret' },
      ),
      code: 'INVALID_REQUEST',
    },
    'a symlink, then a file through it': {
      bytes: await archiveOf({ name: 'd', type: 'symlink', linkname: 'other' }, { name: 'd/evil', content: 'evil' }),
      code: 'IS_DIRECTORY',
    },
    'a symlink, then a file of its name': {
      bytes: await archiveOf({ name: 'twice', type: 'symlink', linkname: 'other' }, { name: 'twice', content: 'evil' }),
      code: 'INVALID_REQUEST',
    },
    'a hard link': {
      bytes: await archiveOf({ name: 'a', content: 'a' }, { name: 'hard', type: 'link', linkname: '/etc/passwd' }),
      code: 'INVALID_REQUEST',
    },
    'a device': { bytes: await archiveOf({ name: 'sda', type: 'block-device', devmajor: 8, devminor: 0 }), code: 'INVALID_REQUEST' },
    'a FIFO': { bytes: await archiveOf({ name: 'pipe', type: 'fifo' }), code: 'INVALID_REQUEST' },
    'a file as big as the disk': { bytes: await claimingSize(0o77777777777), code: 'TOO_LARGE' },
    'a compressed bomb': { bytes: gzipSync(Buffer.alloc(5_000_000)), code: 'INVALID_REQUEST' },
    'an end in the middle of a file': {
      bytes: (await archiveOf({ name: 'cut', content: 'x'.repeat(4000) })).subarray(0, 1000),
      code: 'INVALID_REQUEST',
    },
    noise: { bytes: Buffer.alloc(4096, 0xa5), code: 'INVALID_REQUEST' },
  };
}
