// How the console shows what tenants chose, and how a command's history is made of records.

import { describe, expect, test } from 'vitest';
import { bytes, commandText, duration, roughly, shown } from '../../../console/format.ts';
import { HostReader } from '../../../daemon/admin/host-reader.ts';
import { SandboxMeter } from '../../../daemon/container/sandbox-meter.ts';

describe('foreign text', () => {
  test.each([
    ['an escape sequence', '\u001b]0;title\u0007', '\\x1b]0;title\\x07'],
    ['a text that turns the direction', 'a\u202egpj.exe', 'a\\u{202e}gpj.exe'],
    ['an invisible character', 'pay\u200bpal', 'pay\\u{200b}pal'],
    ['C1 controls', '\u009b31m', '\\x9b31m'],
    ['a line break in a line', 'a\nb', 'a⏎b'],
    ['markup, which is text to the page', '<b>x</b>', '<b>x</b>'],
  ])('%s is spelled out', (_, text, expected) => {
    expect(shown(text)).toBe(expected);
  });

  test('is cut off where it is too long, and keeps its lines in a block', () => {
    expect(shown('x'.repeat(20), { max: 5 })).toBe('xxxxx…');
    expect(shown('a\n\tb\u001b', { isBlock: true })).toBe('a\n\tb\\x1b');
  });

  test('of a command with arguments is quoted as a shell would need it', () => {
    expect(commandText(['echo', 'a b', "it's", '--x=1'])).toBe("echo 'a b' 'it'\\''s' --x=1");
  });
});

test.each([
  [0, '0 ms'],
  [1500, '1.5 s'],
  [65_000, '1 min 5 s'],
  [3_600_000, '1 h'],
  [93_784_000, '1 d 2 h'],
])('%d milliseconds are %s', (ms, text) => {
  expect(duration(ms)).toBe(text);
});

test('the largest unit alone stays for a while', () => {
  expect([400, 9400, 65_000, 7_300_000].map(roughly)).toEqual(['0 ms', '9 s', '1 min', '2 h']);
});

test('bytes have a unit that fits', () => {
  expect([0, 1023, 1536, 5 * 1024 ** 3, null].map(bytes)).toEqual(['0 B', '1023 B', '1.5 KiB', '5.0 GiB', '–']);
});

test('the meter reads the cgroup of this very process, and closes', () => {
  const meter = new SandboxMeter('0::/nowhere-at-all\n');
  expect(meter.read()).toEqual({ cpuMs: null, memoryBytes: null, pids: null });
  meter.close();
});

test('the host has processors, memory and a share of time that is used', () => {
  const reader = new HostReader();
  expect(reader.read(1000)).toMatchObject({ cpuBusy: null, daemonCpus: null });
  const now = reader.read(2000);
  expect(now.cpus).toBeGreaterThan(0);
  expect(now.memoryUsedBytes).toBeLessThan(now.memoryBytes);
  expect(now.daemonMemoryBytes).toBeGreaterThan(1_000_000);
});
