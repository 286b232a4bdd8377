// Names of files are bytes, and text on the wire is Unicode: a byte that is no UTF-8 is written as the lone surrogate U+DC80
// to U+DCFF (as Python's surrogateescape has it), which JSON carries as an escape. Pure; both directions lose nothing.

const ESCAPED = /(?<![\uD800-\uDBFF])[\uDC80-\uDCFF]/;
const ESCAPED_ALL = new RegExp(ESCAPED, 'g');
const ESCAPE_BASE = 0xdc00;

/** Whether every lone surrogate in it stands for a byte. */
export function isPathText(text: string): boolean {
  return !/\p{Surrogate}/u.test(text.replace(ESCAPED_ALL, ''));
}

export function pathBytes(text: string): Buffer {
  if (!ESCAPED.test(text)) return Buffer.from(text);
  const parts = text.split(/((?<![\uD800-\uDBFF])[\uDC80-\uDCFF])/);
  return Buffer.concat(parts.map((part, index) => (index % 2 === 1 ? Buffer.of(part.charCodeAt(0) - ESCAPE_BASE) : Buffer.from(part))));
}

export function pathText(bytes: Buffer): string {
  const text = bytes.toString('utf8');
  return text.includes('\uFFFD') ? escapedText(bytes) : text;
}

/** Character by character: what does not decode is escaped byte by byte. */
function escapedText(bytes: Buffer): string {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  let text = '';
  for (let at = 0; at < bytes.length; ) {
    const lead = bytes[at] ?? 0;
    const size = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    try {
      text += decoder.decode(bytes.subarray(at, at + size));
      at += size;
    } catch {
      text += String.fromCharCode(ESCAPE_BASE + lead);
      at += 1;
    }
  }
  return text;
}
