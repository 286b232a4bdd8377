// The last edit of each file of one session, so that it can be taken back. Bounded: what does not fit is forgotten, oldest
// first. Knows no files.

export interface FileContent {
  readonly path: string;
  readonly bytes: Buffer;
  readonly mode: number;
}

/** What one edit did to one file. */
export interface UndoStep {
  /** null: there was no file. */
  readonly before: FileContent | null;
  /** What the file must still hold to be undone; null: the edit removed it. */
  readonly after: { readonly path: string; readonly sha256: string } | null;
}

const MAX_STEPS = 200;
const MAX_BYTES = 32 * 1024 * 1024;

export class UndoStore {
  /** Path -> step, oldest first. */
  readonly #steps = new Map<string, UndoStep>();
  #bytes = 0;

  remember(step: UndoStep): void {
    const path = step.after?.path ?? step.before?.path ?? '';
    this.forget(path);
    this.#steps.set(path, step);
    this.#bytes += sizeOf(step);
    for (const [oldest] of this.#steps) {
      if (this.#steps.size <= MAX_STEPS && this.#bytes <= MAX_BYTES) break;
      this.forget(oldest);
    }
  }

  find(path: string): UndoStep | undefined {
    return this.#steps.get(path);
  }

  forget(path: string): void {
    const step = this.#steps.get(path);
    if (step === undefined) return;
    this.#steps.delete(path);
    this.#bytes -= sizeOf(step);
  }
}

const sizeOf = ({ before }: UndoStep): number => before?.bytes.length ?? 0;
