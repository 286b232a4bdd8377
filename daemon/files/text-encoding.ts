// Bytes of a file <-> text, losslessly: what is decoded here and encoded again is the same bytes. Pure.

import { isUtf8 } from 'node:buffer';
import { SandboxError } from '../../client/protocol/errors.ts';
import type { TextEncodingName } from '../../client/protocol/text.ts';
import { shown } from './workspace-path.ts';

const UTF8_BOM = Buffer.from([0xef, 0xbb, 0xbf]);
const UTF16LE_BOM = Buffer.from([0xff, 0xfe]);
const UTF16BE_BOM = Buffer.from([0xfe, 0xff]);

export interface DecodedText {
  /** Without the byte order mark. */
  readonly text: string;
  readonly encoding: TextEncodingName;
}

export function hasUtf16Mark(bytes: Buffer): boolean {
  return startsWith(bytes, UTF16LE_BOM) || startsWith(bytes, UTF16BE_BOM);
}

/** null: it is no text, because of NUL bytes, odd UTF-16 or control characters outside UTF-8. */
export function decodeText(bytes: Buffer): DecodedText | null {
  if (hasUtf16Mark(bytes)) {
    if (bytes.length % 2 !== 0) return null;
    const isLittle = startsWith(bytes, UTF16LE_BOM);
    const units = bytes.subarray(2);
    return {
      text: (isLittle ? units : Buffer.from(units).swap16()).toString('utf16le'),
      encoding: isLittle ? 'utf-16le' : 'utf-16be',
    };
  }
  if (bytes.includes(0)) return null;
  if (isUtf8(bytes)) {
    const hasMark = startsWith(bytes, UTF8_BOM);
    return { text: bytes.toString('utf8', hasMark ? UTF8_BOM.length : 0), encoding: hasMark ? 'utf-8-bom' : 'utf-8' };
  }
  return bytes.some(isControl) ? null : { text: bytes.toString('latin1'), encoding: 'latin-1' };
}

/** INVALID_REQUEST for what the encoding can't say. */
export function encodeText(text: string, encoding: TextEncodingName, path: string): Buffer {
  switch (encoding) {
    case 'utf-16le':
      return Buffer.concat([UTF16LE_BOM, Buffer.from(text, 'utf16le')]);
    case 'utf-16be':
      return Buffer.concat([UTF16BE_BOM, Buffer.from(text, 'utf16le').swap16()]);
    case 'latin-1': {
      const bad = /[^\0-\u00ff]/u.exec(text);
      if (bad === null) return Buffer.from(text, 'latin1');
      throw new SandboxError('INVALID_REQUEST', `Cannot edit ${shown(path)}: it is in latin-1, which has no ${shown(bad[0])}`, {
        hint: 'Write the whole file with files.write to make it UTF-8.',
      });
    }
    default:
      // An unpaired surrogate would silently become U+FFFD.
      if (/\p{Surrogate}/u.test(text))
        throw new SandboxError('INVALID_REQUEST', `Cannot edit ${shown(path)}: the new text is not well-formed Unicode`);
      return encoding === 'utf-8' ? Buffer.from(text) : Buffer.concat([UTF8_BOM, Buffer.from(text)]);
  }
}

export function binaryRefusal(verb: string, path: string): SandboxError {
  return new SandboxError('INVALID_REQUEST', `Cannot ${verb} ${shown(path)}: it is a binary file, not text`, {
    hint: 'Use files.read and files.write for bytes.',
  });
}

function startsWith(bytes: Buffer, mark: Buffer): boolean {
  return bytes.length >= mark.length && bytes.compare(mark, 0, mark.length, 0, mark.length) === 0;
}

/** C0 and DEL, but for backspace to carriage return and escape, which texts do have. */
function isControl(byte: number): boolean {
  return (byte < 0x20 && !(byte >= 0x08 && byte <= 0x0d) && byte !== 0x1b) || byte === 0x7f;
}
