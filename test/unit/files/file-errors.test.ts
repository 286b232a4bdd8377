import { constants } from 'node:os';
import { describe, expect, test } from 'vitest';
import { FILE_ERRORS, fileError } from '../../../daemon/files/file-errors.ts';
import { ListingParser, nanosecondsOf, toFileStat } from '../../../daemon/files/file-stat.ts';
import { LinkViolation } from '../../../daemon/link/frames.ts';

const NONE = Buffer.alloc(0);
const errno = constants.errno;

describe('the error of a file verb', () => {
  test.each([
    { claim: 'a missing file', number: errno.ENOENT, code: 'FILE_NOT_FOUND', message: 'Cannot read "a": there is no such file (ENOENT)' },
    {
      claim: 'a way out of the workspace',
      number: errno.EXDEV,
      code: 'PATH_ESCAPES_WORKSPACE',
      message: 'Cannot read "a": it leads out of the workspace (EXDEV)',
    },
    { claim: 'a directory', number: errno.EISDIR, code: 'IS_DIRECTORY', message: 'Cannot read "a": it is a directory (EISDIR)' },
    {
      claim: 'a FIFO, socket or device',
      number: errno.ENXIO,
      code: 'NOT_REGULAR_FILE',
      message: 'Cannot read "a": it is a FIFO, a socket or a device (ENXIO)',
    },
    { claim: 'a full quota', number: errno.EDQUOT, code: 'WORKSPACE_FULL', message: 'Cannot read "a": its quota is reached (EDQUOT)' },
    { claim: 'a full disk', number: errno.ENOSPC, code: 'WORKSPACE_FULL', message: 'Cannot read "a": no space is left (ENOSPC)' },
    {
      claim: 'a read-only workspace',
      number: errno.EROFS,
      code: 'PERMISSION_DENIED',
      message: 'Cannot read "a": the workspace is read-only (EROFS)',
    },
    { claim: 'an errno nobody expects', number: errno.EDEADLK, code: 'INTERNAL', message: 'Cannot read "a": EDEADLK' },
    { claim: 'an errno that does not exist', number: 4000, code: 'INTERNAL', message: 'Cannot read "a": errno 4000' },
  ])('of $claim is $code', ({ number, code, message }) => {
    const error = fileError('read', { errno: number, what: 'path', body: NONE }, { path: 'a' });
    expect({ code: error.code, message: error.message }).toEqual({ code, message });
  });

  test('of an append that left bytes says how many, and how to go on', () => {
    const left = Buffer.alloc(16);
    left.writeBigUInt64LE(4096n, 0);
    left.writeBigUInt64LE(5000n, 8);
    const { code, message, hint } = fileError('write', { errno: errno.EDQUOT, what: 'path', body: left }, { path: 'log' });
    expect({ code, message, hint }).toEqual({
      code: 'WORKSPACE_FULL',
      message: 'Cannot write "log": its quota is reached (EDQUOT); 4096 bytes of it are in the file, which has 5000 bytes now',
      hint: 'Go on after them with append and at: 5000, or write the file as it was.',
    });
  });

  test('names the path that is meant', () => {
    const paths = { path: 'from', path2: 'to' };
    expect(fileError('move', { errno: errno.EEXIST, what: 'path2', body: NONE }, paths).message).toBe(
      'Cannot move "to": it exists already (EEXIST)',
    );
    const component = fileError('stat', { errno: errno.ENOTDIR, what: 'component', body: NONE }, paths);
    expect([component.code, component.message]).toEqual([
      'NOT_DIRECTORY',
      'Cannot stat "from": a component of it is not a directory (ENOTDIR)',
    ]);
  });

  test('shows no control characters of a path', () => {
    expect(fileError('read', { errno: errno.ENOENT, what: 'path', body: NONE }, { path: 'a\u001b[31m\n' }).message).toContain(
      '"a\\u001b[31m\\n"',
    );
  });

  test('has a row only for names that exist', () => {
    for (const name of Object.keys(FILE_ERRORS)) expect(Object.keys(errno)).toContain(name);
  });
});

describe('what init says of files', () => {
  const entry = (path: string, change: (body: Buffer) => void = () => undefined): Buffer => {
    const body = Buffer.concat([Buffer.alloc(44), Buffer.from(path)]);
    body.write('f', 0);
    body.writeUInt16LE(Buffer.byteLength(path), 40);
    change(body);
    return body;
  };

  test('is put together from parts cut anywhere', () => {
    const parser = new ListingParser(10);
    for (const byte of Buffer.concat([entry('a'), entry('ä/b')])) parser.push(Buffer.of(byte));
    expect(parser.finish().map((item) => item.path)).toEqual(['a', 'ä/b']);
  });

  test.each([
    { claim: 'an entry without a name', parts: [entry('')], max: 10 },
    { claim: 'an unknown kind', parts: [entry('a', (body) => body.write('?', 0))], max: 10 },
    { claim: 'more entries than asked for', parts: [entry('a'), entry('b')], max: 1 },
    { claim: 'a cut end', parts: [entry('a').subarray(0, 44)], max: 10 },
    { claim: 'a name longer than a path', parts: [entry('a', (body) => body.writeUInt16LE(5000, 40))], max: 10 },
  ])('is refused with $claim', ({ parts, max }) => {
    const parser = new ListingParser(max);
    expect(() => {
      for (const part of parts) parser.push(part);
      parser.finish();
    }).toThrow(LinkViolation);
  });

  test.each([
    { claim: 'as early as can be', mtimeNs: -(2n ** 63n), is: '1677-09-21T00:12:43.145224192Z' },
    { claim: 'a nanosecond before 1970', mtimeNs: -1n, is: '1969-12-31T23:59:59.999999999Z' },
    { claim: 'of a whole second', mtimeNs: 1_000_000_000n, is: '1970-01-01T00:00:01.000000000Z' },
    { claim: 'as late as can be', mtimeNs: 2n ** 63n - 1n, is: '2262-04-11T23:47:16.854775807Z' },
  ])('has a time $claim that can be said and read back', ({ mtimeNs, is }) => {
    const stat = toFileStat({ kind: 'f', mode: 0o100644, size: 1, mtimeNs, inode: 2n ** 64n - 1n, links: 1, uid: 0 });
    expect(stat).toMatchObject({ modifiedAt: is, inode: '18446744073709551615', mode: 0o644 });
    expect(nanosecondsOf(stat.modifiedAt)).toBe(mtimeNs);
  });
});
