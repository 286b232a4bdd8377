// The pre-launch checklist: every check on one set of facts, and what comes of it. Pure.

import type { DoctorFacts } from './facts.ts';
import type { Check, Finding } from './finding.ts';
import { HOST_CHECKS } from './host-checks.ts';
import { POLICY_CHECKS } from './policy-checks.ts';
import { STATE_CHECKS } from './state-checks.ts';

export const CHECKS: readonly Check[] = [...HOST_CHECKS, ...STATE_CHECKS, ...POLICY_CHECKS];

export interface DoctorReport {
  /** The worst of the findings. */
  readonly verdict: Finding['verdict'];
  readonly counts: Readonly<Record<Finding['verdict'], number>>;
  readonly findings: readonly Finding[];
}

export function examine(facts: DoctorFacts): DoctorReport {
  const findings = CHECKS.map((check): Finding => ({ id: check.id, area: check.area, ...check.judge(facts) }));
  const count = (verdict: Finding['verdict']): number => findings.filter((finding) => finding.verdict === verdict).length;
  const counts = { pass: count('pass'), warn: count('warn'), fail: count('fail') };
  return { verdict: counts.fail > 0 ? 'fail' : counts.warn > 0 ? 'warn' : 'pass', counts, findings };
}

/** For people: a line per check, with the remedy below what did not pass. */
export function reportText({ findings, counts }: DoctorReport): string {
  const width = Math.max(...findings.map(({ id }) => id.length));
  const lines = findings.flatMap((finding) => {
    const line = `${finding.verdict.toUpperCase()}  ${finding.id.padEnd(width)}  ${printable(finding.detail)}`;
    return finding.verdict === 'pass' ? [line] : [line, `${' '.repeat(width + 8)}-> ${printable(finding.remedy)}`];
  });
  return `${[...lines, '', `${counts.pass} passed, ${counts.warn} to look at, ${counts.fail} failed`].join('\n')}\n`;
}

/** Paths, errors and names of others may contain what a terminal obeys. */
const printable = (text: string): string => text.replaceAll(/\p{Cc}/gu, (character) => JSON.stringify(character).slice(1, -1));
