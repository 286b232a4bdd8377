// What came of the attack suite on a host: a finding for each row, and the same as text. Pure.

import { type AttackArea, type AttackRow, CONTROLS } from './row.ts';

export interface AttackFinding {
  readonly id: string;
  readonly area: AttackArea | 'sandbox';
  readonly claim: string;
  readonly verdict: 'pass' | 'warn' | 'fail' | 'not-applicable';
  /** Why. */
  readonly detail: string;
  readonly remedy: string | null;
}

export interface AttackReport {
  readonly counts: Readonly<Record<AttackFinding['verdict'], number>>;
  readonly findings: readonly AttackFinding[];
}

/** Of a row that was run. */
export interface AttackResult {
  readonly outcome: string;
  /** Both streams. */
  readonly output: string;
  readonly reason: string | null;
}

const MAX_SHOWN = 160;

/** `lack`: why the row was not run. */
export function judgeRow(row: AttackRow, tried: AttackResult | { readonly lack: string; readonly remedy: string | null }): AttackFinding {
  const { id, area, claim, controls } = row;
  const found = { id, area, claim };
  if ('lack' in tried) return { ...found, verdict: 'not-applicable', detail: tried.lack, remedy: tried.remedy };
  const { outcome, output, reason } = tried;
  if (outcome === 'denied')
    return {
      ...found,
      verdict: 'not-applicable',
      detail: `refused before it was started: ${reason ?? 'a rule of permissions'}`,
      remedy: 'To see the wall behind that rule, ask a daemon without it.',
    };
  if (outcome !== 'exited' && outcome !== 'signalled' && outcome !== 'oomKilled')
    return { ...found, verdict: 'warn', detail: `it ended ${outcome}, so nothing is known`, remedy: 'Ask again while the host is idle.' };
  if (row.expected.test(output)) return { ...found, verdict: 'pass', detail: claim, remedy: null };
  const [control] = controls;
  return {
    ...found,
    verdict: row.isBelt === true ? 'warn' : 'fail',
    detail: `does not hold: ${shown(output)}`,
    remedy: control === undefined ? 'Do not launch: find out what of this host lets it through.' : CONTROLS[control],
  };
}

export function attackReport(findings: readonly AttackFinding[]): AttackReport {
  const count = (verdict: AttackFinding['verdict']): number => findings.filter((finding) => finding.verdict === verdict).length;
  return {
    counts: { pass: count('pass'), warn: count('warn'), fail: count('fail'), 'not-applicable': count('not-applicable') },
    findings,
  };
}

/** For people: what passed by area, and a line with its remedy for everything else. */
export function attackText({ counts, findings }: AttackReport): string {
  const areas = [...new Set(findings.map(({ area }) => area))];
  const lines = areas.flatMap((area) => {
    const all = findings.filter((finding) => finding.area === area);
    const passed = all.filter(({ verdict }) => verdict === 'pass').length;
    const others = all.filter(({ verdict }) => verdict !== 'pass');
    return [
      area === 'sandbox'
        ? `sandbox: ${passed === 0 ? 'none' : (all[0]?.detail ?? '')}`
        : `${area}: ${passed} of ${all.length} attacks failed, as they must`,
      ...others.flatMap(({ id, verdict, claim, detail, remedy }) => [
        `  ${verdict.toUpperCase()}  ${id}  ${claim}: ${detail}`,
        ...(remedy === null ? [] : [`    -> ${remedy}`]),
      ]),
    ];
  });
  return `${[...lines, '', `${counts.pass} held, ${counts.warn} to look at, ${counts.fail} broken, ${counts['not-applicable']} not applicable here`].join('\n')}\n`;
}

/** What a sandbox printed, without anything that a terminal obeys. */
const shown = (output: string): string =>
  JSON.stringify(output.length > MAX_SHOWN ? `${output.slice(0, MAX_SHOWN)}...` : output).replaceAll(
    /[\u007f-\u009f]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
