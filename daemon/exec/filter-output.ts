// Puts the filter of a session's secrets in front of a command's output. Without secrets it does nothing at all.

import { join } from 'node:path';
import type { SandboxLink } from '../link/sandbox-link.ts';
import type { Clock } from '../observe/clock.ts';
import type { Execution } from './execution.ts';
import { FilterMarkFile } from './filter-mark.ts';
import { FilteredOutput } from './filtered-output.ts';
import type { StartEntry } from './journal.ts';
import type { FilterSource } from './output-filter.ts';
import type { SpoolStore } from './spool-store.ts';

export interface FilterOutputOptions {
  readonly filters?: FilterSource | undefined;
  readonly sandboxId: string;
  readonly spools: SpoolStore;
  readonly link: SandboxLink;
  readonly clock: Clock;
}

/** What the journal says of a command that starts now. */
export const generationOf = (filters: FilterSource | undefined): Pick<StartEntry, 'secretsGeneration'> =>
  filters === undefined || filters.generation === 0 ? {} : { secretsGeneration: filters.generation };

export function filterOutput(execution: Execution, start: StartEntry, options: FilterOutputOptions): void {
  const { filters, sandboxId, spools, link, clock } = options;
  const generation = start.secretsGeneration;
  if (filters === undefined || generation === undefined) return;
  execution.recorder.filterThrough(
    (sink) =>
      new FilteredOutput({
        make: (from) => filters.filter(generation, from),
        mark: new FilterMarkFile(join(spools.directoryOf(sandboxId), `${start.number}.mark`)),
        clock,
        sink,
        credit: (offset) => link.credit(start.number, offset),
        onReleased: execution.announce,
      }),
  );
}
