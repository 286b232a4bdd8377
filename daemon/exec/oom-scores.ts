// An oom_score_adj for each command's tree: every process inherits it, the kernel's record of a kill names it, and the
// host sees it in /proc. So a tree is known without knowing its processes.

/** The command goes before PID 1; the step between two is a thousandth of the memory limit. */
const FIRST = 900;
/** Of those that find no free one: nothing can be told of them. */
export const SHARED_OOM_SCORE = 1000;

export class OomScores {
  readonly #owners = new Map<number, number>();

  /** Trees that have one: those of running commands and of ended ones that left processes. */
  get size(): number {
    return this.#owners.size;
  }

  take(owner: number): number {
    let score = FIRST;
    while (this.#owners.has(score)) score += 1;
    if (score >= SHARED_OOM_SCORE) return SHARED_OOM_SCORE;
    this.#owners.set(score, owner);
    return score;
  }

  /** Of a command that an earlier daemon started. */
  hold(score: number, owner: number): void {
    if (score !== SHARED_OOM_SCORE) this.#owners.set(score, owner);
  }

  /** Nothing if it is somebody else's by now. */
  release(score: number, owner: number): void {
    if (this.#owners.get(score) === owner) this.#owners.delete(score);
  }
}
