// What may stand between a command's output and everyone who sees it; the implementation is daemon/secrets' redaction.
// Offsets before it count what init has sent (raw), offsets after it what clients see.

import type { OutputStream } from '../link/messages.ts';

/** From here a new filter goes on as this one would: everything before `raw` is out, up to `seen`, and nothing is held. */
export interface FilterPoint {
  readonly raw: number;
  readonly seen: number;
}

export interface OutputFilter {
  /** Raw offset up to which it was fed. */
  readonly rawEnd: number;
  /** The latest place to go on from. */
  readonly point: FilterPoint;
  /** Bytes that wait for what comes next. */
  readonly isHolding: boolean;
  /** Names of what was found so far. */
  readonly found: ReadonlySet<string>;
  feed(stream: OutputStream, bytes: Buffer): void;
  /** What is held goes out as it is; what it may become is still looked for. */
  release(): void;
  /** Nothing more comes. */
  end(): void;
  /** Raw output up to here is lost. */
  skipTo(raw: number): void;
}

export interface FilterStart extends FilterPoint {
  readonly found: readonly string[];
  /** Takes what may be seen, in order. */
  readonly emit: (stream: OutputStream, bytes: Buffer) => void;
}

export interface FilterSource {
  /** Of what is looked for at this time; 0: nothing. A filter made from the same generation finds the same. */
  readonly generation: number;
  filter(generation: number, start: FilterStart): OutputFilter;
}
