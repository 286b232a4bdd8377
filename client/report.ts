// What the host of an agent has spent, for the audit log and the sums of a session.

import type { Connection } from './connection.ts';
import type { Params, Result } from './protocol/index.ts';

export type UsageReport = Readonly<Omit<Params<'report'>, 'sandbox'>>;
export type UsageSums = Result<'report'>;

export async function sendReport(connection: Connection, sandbox: string, usage: UsageReport): Promise<UsageSums> {
  return await connection.call('report', { ...usage, sandbox });
}
