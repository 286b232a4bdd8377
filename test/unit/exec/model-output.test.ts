import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { countCharacters } from '../../../client/protocol/count-characters.ts';
import { ModelOutput } from '../../../client/protocol/model-output.ts';

function read(
  parts: readonly (Buffer | string)[],
  options?: ConstructorParameters<typeof ModelOutput>[0],
): ReturnType<ModelOutput['read']> {
  const output = new ModelOutput(options);
  for (const part of parts) output.append(Buffer.from(part as string));
  return output.read();
}

describe('output for a model', () => {
  test('is whole when it fits', () => {
    expect(read(['hello ', 'wörld'])).toEqual({ text: 'hello wörld', droppedBytes: 0 });
    expect(read([])).toEqual({ text: '', droppedBytes: 0 });
  });

  test('keeps head and tail and says what it left out', () => {
    expect(read(['0123456789abcdefghij'], { characters: 10 })).toEqual({
      text: '01234\n[... 10 characters omitted ...]\nfghij',
      droppedBytes: 10,
    });
  });

  test('keeps as much head as asked', () => {
    expect(read(['0123456789'], { characters: 4, headCharacters: 0 }).text).toBe('\n[... 6 characters omitted ...]\n6789');
    expect(read(['0123456789'], { characters: 4, headCharacters: 4 }).text).toBe('0123\n[... 6 characters omitted ...]\n');
  });

  test('counts characters and not bytes', () => {
    const { text, droppedBytes } = read(['ääääääääää€€€€€€€€€€𝄞𝄞𝄞𝄞𝄞'], { characters: 6 });
    expect(text).toBe('äää\n[... 19 characters omitted ...]\n𝄞𝄞𝄞');
    expect(droppedBytes).toBe(7 * 2 + 10 * 3 + 2 * 4);
  });

  test('keeps 40,000 characters unless told otherwise', () => {
    const { text, droppedBytes } = read(Array.from({ length: 100 }, () => 'x'.repeat(1000)));
    expect(droppedBytes).toBe(60_000);
    expect(text).toContain('[... 60000 characters omitted ...]');
    expect(text.length).toBeLessThan(40_100);
  });

  test('is the same however the bytes are cut', () => {
    const character = fc.constantFrom('a', 'ß', '€', '𝄞', '\n');
    fc.assert(
      fc.property(
        fc.array(character, { maxLength: 60 }),
        fc.array(fc.nat(200), { maxLength: 20 }),
        fc.integer({ min: 2, max: 20 }),
        (characters, cuts, keep) => {
          const bytes = Buffer.from(characters.join(''));
          const at = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
          const parts = [0, ...at].map((from, index) => bytes.subarray(from, at[index] ?? bytes.length));
          const { text, droppedBytes } = read(parts, { characters: keep });
          expect({ text, droppedBytes }).toEqual(read([bytes], { characters: keep }));
          expect(text).not.toContain('\ufffd');
          if (characters.length <= keep) expect(text).toBe(characters.join(''));
          else expect(text).toContain(`[... ${characters.length - keep} characters omitted ...]`);
        },
      ),
    );
  });

  test('says what was gone before it came', () => {
    const output = new ModelOutput({ characters: 4 });
    output.skip(100);
    output.append(Buffer.from('abcdef'));
    expect(output.read()).toEqual({
      text: '\n[... 4 characters and 100 bytes that are no longer kept omitted ...]\nef',
      droppedBytes: 104,
    });
  });

  test('counts the same as a decoder does, wherever the bytes lie', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 3000 }), fc.nat(7), (text, shift) => {
        const bytes = Buffer.from(text);
        const placed = Buffer.concat([Buffer.alloc(shift), bytes]).subarray(shift);
        expect(countCharacters(placed)).toBe(Array.from(bytes.toString('utf8')).length);
      }),
    );
  });

  test('survives bytes that are no text', () => {
    expect(read([Buffer.alloc(100, 0xff), Buffer.alloc(100, 0x80)], { characters: 10 }).text).toContain('omitted');
  });
});
