// What hosts say their models have used, summed for each session.

import type { ReportResult } from '../../client/protocol/report.ts';
import type { Session } from './session.ts';

const NOTHING: ReportResult = { reports: 0, inputTokens: 0, outputTokens: 0, costUsd: 0 };

export class UsageBook {
  readonly #sums = new WeakMap<Session, ReportResult>();

  /** With this report; kept by `keep`, once it is on record. */
  sum(session: Session, usage: Omit<ReportResult, 'reports'>): ReportResult {
    const before = this.#sums.get(session) ?? NOTHING;
    return {
      reports: before.reports + 1,
      inputTokens: before.inputTokens + usage.inputTokens,
      outputTokens: before.outputTokens + usage.outputTokens,
      costUsd: before.costUsd + usage.costUsd,
    };
  }

  keep(session: Session, sums: ReportResult): void {
    this.#sums.set(session, sums);
  }
}
