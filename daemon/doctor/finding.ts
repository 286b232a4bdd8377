// What a check says. A check is a pure function of facts; gathering them is gather-facts.ts'.

import type { DoctorFacts } from './facts.ts';

/** The areas that must be looked at before a launch, and the host below them. */
export const AREAS = ['host', 'isolation', 'permissions', 'network', 'secrets', 'observability', 'resources', 'rollback'] as const;
export type Area = (typeof AREAS)[number];

export type Judgement =
  | { readonly verdict: 'pass'; readonly detail: string }
  | { readonly verdict: 'warn' | 'fail'; readonly detail: string; readonly remedy: string };

export interface Check {
  readonly id: string;
  readonly area: Area;
  judge(facts: DoctorFacts): Judgement;
}

export type Finding = Judgement & { readonly id: string; readonly area: Area };

export const pass = (detail: string): Judgement => ({ verdict: 'pass', detail });
export const warn = (detail: string, remedy: string): Judgement => ({ verdict: 'warn', detail, remedy });
export const fail = (detail: string, remedy: string): Judgement => ({ verdict: 'fail', detail, remedy });
