// Recordings as configured, fed by the audit log. A part of the composition root.

import { join } from 'node:path';
import type { Config } from './config.ts';
import { Recordings } from './exec/recordings.ts';
import type { AuditLog } from './observe/audit-log.ts';
import type { Clock } from './observe/clock.ts';
import type { Log } from './observe/log.ts';

interface RecordingParts {
  readonly config: Config;
  readonly stateDir: string;
  readonly audit: AuditLog;
  readonly clock: Clock;
  readonly log: Log;
  /** Registers a step of stopping. */
  readonly undo: (step: () => Promise<void>) => void;
}

export async function openRecordings({ config, stateDir, audit, clock, log, undo }: RecordingParts): Promise<Recordings> {
  const { bytes: maxBytes, ...bounds } = config.record;
  const recordings = await Recordings.open({ ...bounds, maxBytes, directory: join(stateDir, 'recordings'), clock, log });
  const off = audit.onAppend((entry) => recordings.told(entry));
  undo(async () => {
    off();
    await recordings.stop();
  });
  return recordings;
}
