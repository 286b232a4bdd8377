// DNS messages as far as one A or AAAA question needs them. Pure and total over hostile bytes: every offset is checked,
// a compressed name only ever points backwards.

export const RECORD_TYPE = { a: 1, cname: 5, aaaa: 28 } as const;
export type AddressType = typeof RECORD_TYPE.a | typeof RECORD_TYPE.aaaa;

export type DnsReply =
  /** `alias`: the name the chain of aliases ended at, without addresses of its own. */
  | { readonly kind: 'answer'; readonly addresses: readonly string[]; readonly aliases: number; readonly end: string }
  | { readonly kind: 'noName' }
  | { readonly kind: 'truncated' }
  | { readonly kind: 'failed'; readonly cause: string }
  /** Not an answer to this question: wait for another one. */
  | { readonly kind: 'foreign' };

const HEADER_BYTES = 12;
const MAX_RECORDS = 256;
const MAX_ALIASES = 8;
const CLASS_IN = 1;
const RCODE = { ok: 0, noName: 3 } as const;

export function encodeQuestion(id: number, name: string, type: AddressType): Buffer {
  const labels = name.split('.').map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label, 'latin1')]));
  const message = Buffer.concat([Buffer.alloc(HEADER_BYTES), ...labels, Buffer.from([0, 0, type, 0, CLASS_IN])]);
  message.writeUInt16BE(id, 0);
  // One question, recursion desired.
  message.writeUInt16BE(0x0100, 2);
  message.writeUInt16BE(1, 4);
  return message;
}

export function decodeReply(bytes: Buffer, question: { readonly id: number; readonly name: string; readonly type: AddressType }): DnsReply {
  if (bytes.length < HEADER_BYTES || bytes.readUInt16BE(0) !== question.id) return { kind: 'foreign' };
  const flags = bytes.readUInt16BE(2);
  if ((flags & 0x8000) === 0 || (flags & 0x7800) !== 0 || bytes.readUInt16BE(4) !== 1) return { kind: 'foreign' };
  const asked = readName(bytes, HEADER_BYTES);
  if (asked === null || asked.name !== question.name || asked.next + 4 > bytes.length) return { kind: 'foreign' };
  if (bytes.readUInt16BE(asked.next) !== question.type || bytes.readUInt16BE(asked.next + 2) !== CLASS_IN) return { kind: 'foreign' };
  if ((flags & 0x0200) !== 0) return { kind: 'truncated' };
  const code = flags & 0x000f;
  if (code === RCODE.noName) return { kind: 'noName' };
  if (code !== RCODE.ok) return { kind: 'failed', cause: `the name server answers with code ${code}` };
  return readAnswers(bytes, asked.next + 4, question);
}

function readAnswers(bytes: Buffer, start: number, question: { readonly name: string; readonly type: AddressType }): DnsReply {
  const malformed: DnsReply = { kind: 'failed', cause: 'the name server answers malformed' };
  const count = bytes.readUInt16BE(6);
  if (count > MAX_RECORDS) return { kind: 'failed', cause: `the name server answers more than ${MAX_RECORDS} records` };
  const aliases = new Map<string, string>();
  const addresses = new Map<string, string[]>();
  let at = start;
  for (let index = 0; index < count; index += 1) {
    const owner = readName(bytes, at);
    if (owner === null || owner.next + 10 > bytes.length) return malformed;
    const type = bytes.readUInt16BE(owner.next);
    const data = owner.next + 10;
    const length = bytes.readUInt16BE(owner.next + 8);
    if (data + length > bytes.length) return malformed;
    at = data + length;
    if (bytes.readUInt16BE(owner.next + 2) !== CLASS_IN) continue;
    if (type === question.type) {
      const text = addressText(bytes.subarray(data, at), type);
      if (text === null) return malformed;
      addresses.set(owner.name, [...(addresses.get(owner.name) ?? []), text]);
    } else if (type === RECORD_TYPE.cname) {
      const target = readName(bytes, data);
      if (target === null || target.next !== at) return malformed;
      aliases.set(owner.name, target.name);
    }
  }
  return follow(question.name, aliases, addresses);
}

function follow(name: string, aliases: ReadonlyMap<string, string>, addresses: ReadonlyMap<string, string[]>): DnsReply {
  let end = name;
  for (let steps = 0; steps <= MAX_ALIASES; steps += 1) {
    const next = aliases.get(end);
    if (next === undefined) return { kind: 'answer', addresses: addresses.get(end) ?? [], aliases: steps, end };
    end = next;
  }
  return { kind: 'failed', cause: `the name has more than ${MAX_ALIASES} aliases` };
}

function addressText(data: Buffer, type: AddressType): string | null {
  if (type === RECORD_TYPE.a) return data.length === 4 ? data.join('.') : null;
  if (data.length !== 16) return null;
  return Array.from({ length: 8 }, (_, group) => data.readUInt16BE(group * 2).toString(16)).join(':');
}

/** In lower case and without the final dot; labels with a dot or beyond printable ASCII are malformed. */
function readName(bytes: Buffer, start: number): { readonly name: string; readonly next: number } | null {
  const labels: string[] = [];
  let at = start;
  let next = -1;
  let limit = start;
  let total = 0;
  for (;;) {
    const length = bytes[at];
    if (length === undefined) return null;
    if (length === 0) break;
    if ((length & 0xc0) === 0xc0) {
      const low = bytes[at + 1];
      if (low === undefined) return null;
      if (next === -1) next = at + 2;
      const to = ((length & 0x3f) << 8) | low;
      if (to >= limit) return null;
      limit = to;
      at = to;
      continue;
    }
    total += length + 1;
    if (length > 63 || total > 254 || at + 1 + length > bytes.length) return null;
    const label = bytes.toString('latin1', at + 1, at + 1 + length);
    if (!/^[!-\-/-~]+$/.test(label)) return null;
    labels.push(label.toLowerCase());
    at += 1 + length;
  }
  return { name: labels.join('.'), next: next === -1 ? at + 1 : next };
}
