// No value of a secret leaves in output, in any usual form, however the output is cut into pieces.

import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { OutputRedactor } from '../../../daemon/secrets/output-redactor.ts';
import { redactText } from '../../../daemon/secrets/redact-text.ts';
import { RedactionAutomaton } from '../../../daemon/secrets/redaction-automaton.ts';

type Piece = readonly ['stdout' | 'stderr', Buffer];

const automatonOf = (values: Record<string, string>): RedactionAutomaton =>
  new RedactionAutomaton(Object.entries(values).map(([name, value]) => ({ name, value: Buffer.from(value) })));

function redactor(automaton: RedactionAutomaton, from = { raw: 0, seen: 0 }) {
  const out: Piece[] = [];
  const filter = new OutputRedactor({ automaton, ...from, found: [], emit: (stream, bytes) => out.push([stream, Buffer.from(bytes)]) });
  return { filter, out };
}

const textOf = (pieces: readonly Piece[], stream?: string): string =>
  Buffer.concat(pieces.filter(([of]) => stream === undefined || of === stream).map(([, bytes]) => bytes)).toString('latin1');

function run(automaton: RedactionAutomaton, pieces: readonly Piece[]): Piece[] {
  const { filter, out } = redactor(automaton);
  for (const [stream, bytes] of pieces) filter.feed(stream, Buffer.from(bytes));
  filter.end();
  return out;
}

/** Cuts what is in one piece into smaller ones. */
function cut(pieces: readonly Piece[], sizes: readonly number[]): Piece[] {
  let turn = 0;
  return pieces.flatMap(([stream, bytes]) => {
    const parts: Piece[] = [];
    for (let at = 0; at < bytes.length; ) {
      const size = sizes.length === 0 ? bytes.length : (sizes[turn++ % sizes.length] ?? 1);
      parts.push([stream, bytes.subarray(at, at + size)]);
      at += size;
    }
    return parts;
  });
}

const VALUE = 'p+ss/w0rd "with" é & 100%\nline two';
const SECRETS = { TOKEN: 'ghx_4f8Zq0PvN2mL7', PASSWORD: VALUE, PIN: '8841', NESTED: 'XXghx_4f8Zq0PvN2mL7YY' };
const encode = encodeURIComponent(VALUE);

describe('is not seen', () => {
  const automaton = automatonOf(SECRETS);
  const base64At = (before: string, value: string) => Buffer.from(`${before}${value}, and more`).toString('base64');
  test.each<[string, string, string]>([
    ['as it is', `a ${VALUE} b`, VALUE],
    ['on a terminal, with its line ends', VALUE.replaceAll('\n', '\r\n'), 'line two'],
    ['as JSON', JSON.stringify({ key: VALUE }), JSON.stringify(VALUE).slice(1, -1)],
    ['as JSON in ASCII', `"${JSON.stringify(VALUE).slice(1, -1).replace('é', '\\u00e9')}"`, 'line two'],
    ['in a URL', `https://x/?q=${encode}`, encode],
    ['in a URL, lower case', `q=${encode.replaceAll(/%../g, (code) => code.toLowerCase())}`, 'line%20two'],
    ['in a form', `q=${encode.replaceAll('%20', '+')}`, 'line+two'],
    ['in hex', Buffer.from(VALUE).toString('hex'), Buffer.from(VALUE).toString('hex').slice(4, 20)],
    ['in base64, first place', base64At('', VALUE), Buffer.from(VALUE).toString('base64').slice(4, 20)],
    ['in base64, second place', base64At('u', VALUE), base64At('u', VALUE).slice(4, 20)],
    ['in base64, third place', base64At('us', VALUE), base64At('us', VALUE).slice(8, 20)],
    ['in base64url', Buffer.from(`user:${VALUE}`).toString('base64url'), Buffer.from(`user:${VALUE}`).toString('base64url').slice(10, 30)],
  ])('a value %s', (_, output, part) => {
    const seen = textOf(run(automaton, [['stdout', Buffer.from(output)]]));
    expect(output).toContain(part);
    expect(seen).not.toContain(part);
    expect(seen).toContain('[redacted:PASSWORD]');
  });

  test('a value that is part of another one, and the rest of that one', () => {
    expect(textOf(run(automaton, [['stdout', Buffer.from('<XXghx_4f8Zq0PvN2mL7YY>')]]))).toBe('<[redacted:NESTED]>');
    expect(textOf(run(automaton, [['stdout', Buffer.from('<XXghx_4f8Zq0PvN2mL7>')]]))).toBe('<XX[redacted:TOKEN]>');
  });

  test('a value whose other half comes after output of the other stream', () => {
    const out = run(automaton, [
      ['stdout', Buffer.from('a ghx_4f8Z')],
      ['stderr', Buffer.from('warning')],
      ['stdout', Buffer.from('q0PvN2mL7 b')],
    ]);
    expect(textOf(out, 'stdout')).toBe('a [redacted:TOKEN] b');
    expect(textOf(out, 'stderr')).toBe('warning');
  });
});

describe('what is no value', () => {
  test('comes out unchanged, byte for byte, whatever it is', () => {
    const automaton = automatonOf({ TOKEN: 'ghx_4f8Zq0PvN2mL7' });
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.constantFrom('stdout' as const, 'stderr' as const), fc.uint8Array({ maxLength: 200 }))), (raw) => {
        const pieces = raw.map(([stream, bytes]): Piece => [stream, Buffer.from(bytes)]);
        expect(textOf(run(automaton, pieces))).toBe(textOf(pieces));
      }),
    );
  });

  test('comes out in full when it begins like one', () => {
    expect(textOf(run(automatonOf(SECRETS), [['stdout', Buffer.from('ghx_4f8Zq0PvN2mL')]]))).toBe('ghx_4f8Zq0PvN2mL');
  });
});

// A small alphabet, so that values overlap, begin alike and are parts of each other.
const letters = (minLength: number, maxLength: number) => fc.string({ unit: fc.constantFrom('a', 'b', 'c'), minLength, maxLength });
const output = fc.array(fc.tuple(fc.constantFrom('stdout' as const, 'stderr' as const), letters(1, 30)), { minLength: 1, maxLength: 12 });
const values = fc.array(letters(4, 7), { minLength: 1, maxLength: 4 });
const sizes = fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 8 });
const named = (list: readonly string[]) => Object.fromEntries(list.map((value, index) => [`S${index}`, value]));
const asPieces = (raw: readonly (readonly ['stdout' | 'stderr', string])[]) =>
  raw.map(([stream, text]): Piece => [stream, Buffer.from(text)]);

/** Every byte that is in some value, found the slow way, as one mark per place. */
function slowly(text: string, list: readonly string[]): string {
  const places: [number, number][] = [];
  for (const value of list) {
    for (let at = text.indexOf(value); at !== -1; at = text.indexOf(value, at + 1)) places.push([at, at + value.length]);
  }
  places.sort((a, b) => a[0] - b[0] || b[1] - a[1]);
  const merged: [number, number][] = [];
  for (const [start, end] of places) {
    const last = merged.at(-1);
    if (last !== undefined && start < last[1]) last[1] = Math.max(last[1], end);
    else merged.push([start, end]);
  }
  let at = 0;
  let result = '';
  for (const [start, end] of merged) {
    result += `${text.slice(at, start)}#`;
    at = end;
  }
  return result + text.slice(at);
}

describe('for every value, output and way to cut it', () => {
  test('each stream is what a search of the whole would give', () => {
    fc.assert(
      fc.property(values, output, sizes, (list, raw, cuts) => {
        const pieces = asPieces(raw);
        const out = run(automatonOf(named(list)), cut(pieces, cuts));
        for (const stream of ['stdout', 'stderr'])
          expect(textOf(out, stream).replaceAll(/\[redacted:S\d\]/g, '#')).toBe(slowly(textOf(pieces, stream), list));
      }),
      { numRuns: 1000 },
    );
  });

  test('the order and the bytes do not depend on how it was cut', () => {
    fc.assert(
      fc.property(values, output, sizes, (list, raw, cuts) => {
        const automaton = automatonOf(named(list));
        const pieces = asPieces(raw);
        expect(textOf(run(automaton, cut(pieces, cuts)))).toBe(textOf(run(automaton, pieces)));
      }),
      { numRuns: 1000 },
    );
  });

  test('a new one goes on from any of its points as if nothing had happened', () => {
    fc.assert(
      fc.property(values, output, sizes, sizes, fc.nat(40), (list, raw, cuts, others, stopAfter) => {
        const automaton = automatonOf(named(list));
        const pieces = cut(asPieces(raw), cuts);
        const first = redactor(automaton);
        for (const [stream, bytes] of pieces.slice(0, stopAfter)) first.filter.feed(stream, bytes);
        const { point } = first.filter;
        let skip = point.raw;
        const rest = pieces.flatMap(([stream, bytes]): Piece[] => {
          const left = bytes.subarray(Math.min(skip, bytes.length));
          skip -= bytes.length - left.length;
          return left.length === 0 ? [] : [[stream, left]];
        });
        const second = redactor(automaton, point);
        for (const [stream, bytes] of cut(rest, others)) second.filter.feed(stream, bytes);
        second.filter.end();
        const whole = textOf(run(automaton, pieces));
        expect(textOf(first.out).slice(0, point.seen) + textOf(second.out)).toBe(whole);
        expect(whole.startsWith(textOf(first.out))).toBe(true);
      }),
      { numRuns: 1000 },
    );
  });

  test('the rest of a value is kept back even if a pause let its beginning out', () => {
    fc.assert(
      fc.property(letters(4, 12), fc.nat(11), (value, at) => {
        const { filter, out } = redactor(automatonOf({ S: value }));
        const half = Math.min(at, value.length - 1);
        filter.feed('stdout', Buffer.from(value.slice(0, half)));
        filter.release();
        filter.feed('stdout', Buffer.from(value.slice(half)));
        filter.end();
        expect(textOf(out)).toBe(`${value.slice(0, half)}[redacted:S]`);
      }),
    );
  });
});

test('what is held is never more than the longest form, and credit never falls behind by more than a window allows', () => {
  const automaton = automatonOf({ A: 'aaaaaaaa' });
  const { filter } = redactor(automaton);
  for (let turn = 0; turn < 64; turn += 1) {
    filter.feed('stdout', Buffer.alloc(16 * 1024, 'a'));
    expect(filter.rawEnd - filter.point.raw).toBeLessThan(128 * 1024);
  }
});

test('a hundred values of full length are found in one pass', () => {
  const list = Array.from({ length: 20 }, () => randomBytes(30).toString('base64'));
  const automaton = automatonOf(named(list));
  const text = list.join(' ');
  expect(redactText(automaton, text)).toBe(list.map((_, index) => `[redacted:S${index}]`).join(' '));
});
