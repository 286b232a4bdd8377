// What the attack suite says of which result, and that its rows are whole; the rows themselves are tried in test/attack.

import { describe, expect, test } from 'vitest';
import { SandboxError } from '../../../client/protocol/errors.ts';
import { attack, type AttackOptions } from '../../../daemon/doctor/attack/attack.ts';
import { attackReport, attackText, judgeRow } from '../../../daemon/doctor/attack/attack-report.ts';
import { hasPart } from '../../../daemon/doctor/attack/kernel-parts.ts';
import { type AttackRow, CONTROLS } from '../../../daemon/doctor/attack/row.ts';
import { ATTACK_ROWS } from '../../../daemon/doctor/attack/rows.ts';

const ROW: AttackRow = {
  id: 'X1',
  area: 'limits',
  claim: 'nothing is had',
  controls: ['memory'],
  command: 'true',
  expected: /^no$/m,
};
const result = (output: string, outcome = 'exited', reason: string | null = null) => ({ output, outcome, reason });

describe('a row', () => {
  test.each<[string, AttackRow, Parameters<typeof judgeRow>[1], object]>([
    ['that holds passes', ROW, result('no'), { verdict: 'pass', detail: 'nothing is had', remedy: null }],
    [
      'that does not hold fails, with what was seen and what to do',
      ROW,
      result('yes\n'),
      { verdict: 'fail', detail: 'does not hold: "yes\\n"', remedy: CONTROLS.memory },
    ],
    ['of a second wall is told and fails nothing', { ...ROW, isBelt: true }, result('yes'), { verdict: 'warn' }],
    ['whose command the memory limit ended is judged by what it said', ROW, result('no', 'oomKilled'), { verdict: 'pass' }],
    [
      'that ran into its time limit says nothing',
      ROW,
      result('', 'timedOut'),
      { verdict: 'warn', detail: 'it ended timedOut, so nothing is known' },
    ],
    [
      'that a rule refused says which',
      ROW,
      result('', 'denied', 'rule 3'),
      { verdict: 'not-applicable', detail: 'refused before it was started: rule 3' },
    ],
    [
      'against what is not there is not applicable',
      ROW,
      { lack: 'no such thing', remedy: null },
      { verdict: 'not-applicable', detail: 'no such thing' },
    ],
    [
      'of no control that fails names no wall to repair',
      { ...ROW, controls: [] },
      result('yes'),
      { remedy: 'Do not launch: find out what of this host lets it through.' },
    ],
  ])('%s', (_, row, tried, expected) => {
    expect(judgeRow(row, tried)).toMatchObject(expected);
  });

  test('shows nothing that a terminal obeys', () => {
    expect(judgeRow(ROW, result('\u001b[2J\u009b31m')).detail).toBe('does not hold: "\\u001b[2J\\u009b31m"');
  });
});

describe('the suite', () => {
  test('has a row for each id and for each control', () => {
    expect(new Set(ATTACK_ROWS.map(({ id }) => id)).size).toBe(ATTACK_ROWS.length);
    expect(
      Object.keys(CONTROLS).filter((name) => !ATTACK_ROWS.some(({ controls }) => controls.some((control) => control === name))),
    ).toEqual([]);
  });

  test('counts findings and shows people only what did not pass', () => {
    const report = attackReport([judgeRow(ROW, result('no')), judgeRow({ ...ROW, id: 'X2' }, result('yes'))]);
    expect(report.counts).toEqual({ pass: 1, warn: 0, fail: 1, 'not-applicable': 0 });
    expect(attackText(report)).toBe(
      'limits: 1 of 2 attacks failed, as they must\n' +
        '  FAIL  X2  nothing is had: does not hold: "yes"\n' +
        `    -> ${CONTROLS.memory}\n\n` +
        '1 held, 0 to look at, 1 broken, 0 not applicable here\n',
    );
  });

  test('that gets no sandbox says why, and that is a failure', async () => {
    const cloister: AttackOptions['cloister'] = {
      open: () => Promise.reject(new SandboxError('ENGINE_UNAVAILABLE', 'Cannot open: no engine', { hint: 'Start it.' })),
    };
    const report = await attack({ cloister, rows: ATTACK_ROWS, kernel: { symbols: null, modules: '' }, arch: 'x64' });
    expect(report.findings).toEqual([
      expect.objectContaining({ id: 'open', verdict: 'fail', detail: 'Cannot open: no engine', remedy: 'Start it.' }),
    ]);
  });
});

test.each([
  ['built in', { symbols: '0 T tipc_sk_create\n', modules: '' }, true],
  ['a module it may load', { symbols: '0 T other\n', modules: 'kernel/net/tipc/tipc.ko.xz: \n' }, true],
  ['neither', { symbols: '0 T other\n', modules: 'kernel/net/tipc2.ko' }, false],
  ['unknown, as the host tells no symbols', { symbols: null, modules: '' }, true],
])('a part of the kernel that is %s', (_, kernel, expected) => {
  expect(hasPart(kernel, { name: 'AF_TIPC', symbol: 'tipc_sk_create', module: 'tipc' })).toBe(expected);
});
