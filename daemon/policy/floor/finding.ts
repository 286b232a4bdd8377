// What the floor says of a command: a hit is refused whatever the rules say, `unclear` is only known when it runs.

export const FLOOR_CLASSES = ['recursiveDelete', 'makeFilesystem', 'rawDiskWrite', 'forkBomb', 'killAll', 'shutdown', 'computed'] as const;
export type FloorClass = (typeof FLOOR_CLASSES)[number];

export interface FloorFinding {
  readonly verdict: 'hit' | 'unclear';
  readonly class: FloorClass;
  /** What it is about, for people. */
  readonly what: string;
}
