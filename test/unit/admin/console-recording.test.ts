// What the console's player puts on its screen, and when.

import { describe, expect, test } from 'vitest';
import { Frames, type RecordedEvent } from '../../../console/recording-frames.ts';

function framesOf(...events: readonly RecordedEvent[]): Frames {
  const frames = new Frames();
  for (const event of events) frames.add(event);
  return frames;
}
const out = (at: number, text: string): RecordedEvent => ({
  t: 'out',
  at,
  exec: 'x',
  s: 'stdout',
  d: Buffer.from(text).toString('base64'),
});

describe('a recording', () => {
  test('goes at its own pace, without long silences and without going back', () => {
    const frames = framesOf(out(1000, 'a'), out(1500, 'b'), out(90_000, 'c'), out(80_000, 'd'), out(80_100, 'e'));
    expect(frames.list.map(({ atMs }) => atMs)).toEqual([0, 500, 2500, 2500, 2600]);
    expect(frames.lengthMs).toBe(2600);
  });

  test('is found at any time, the frames of that time included', () => {
    const frames = framesOf(out(0, 'a'), out(100, 'b'), out(100, 'c'), out(300, 'd'));
    expect([-1, 0, 99, 100, 299, 300, 1e9].map((ms) => frames.countAt(ms))).toEqual([0, 1, 1, 3, 3, 4, 4]);
    expect(new Frames().countAt(0)).toBe(0);
  });

  test('shows bytes as they are, and commands as they are spelled', () => {
    const frames = framesOf({ t: 'start', at: 0, exec: 'x', command: 'echo \u001b]0;evil\u0007\u202e' }, out(0, 'é'));
    const [command, output] = frames.list.map(({ data }) => data);
    expect(command).toMatch(/\$ echo \\x1b\]0;evil\\x07\\u\{202e\}/);
    expect(Buffer.from(output as Uint8Array).toString()).toBe('é');
  });

  test('sets the screen back before each command, whatever the one before has left', () => {
    const [, second] = framesOf(out(0, '\u001b[?1049h\u001b[31m'), { t: 'end', at: 0, exec: 'x', outcome: 'exited', exitCode: 3 }).list;
    const text = String(second?.data);
    expect(text.startsWith('\u001b[?1049l\u001b[!p\u001b[0m')).toBe(true);
    expect(text).toContain('exited 3');
  });
});
