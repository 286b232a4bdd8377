// What a workload is to the harness: a name, a unit, and a way to fill it with samples on a stage.

import type { Samples, Unit } from './comparison.ts';
import type { Stage } from './stage.ts';

export interface Effort {
  /** Fewer rounds and fewer bytes. */
  readonly isQuick: boolean;
}

export interface Workload {
  readonly name: string;
  readonly unit: Unit;
  readonly what: string;
  /** Ours first. */
  run(stage: Stage, effort: Effort): Promise<readonly Samples[]>;
}
