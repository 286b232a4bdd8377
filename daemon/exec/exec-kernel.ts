// What commands need of the kernel's side of their sandbox. The container's part is daemon/container/sandbox-kernel.ts.

export interface ExecKernel {
  /** null: not known. */
  counts(): { readonly oomKills: number | null; readonly forksRefused: number | null };
  /** The end of the kernel's log; null: there is none. */
  mark(oomKills: number | null): number | null;
  /** oom_score_adj of the processes killed for memory since `mark`, as far as the log has them. */
  victims(mark: number, kills: number): readonly number[];
  /** Stops every process with this oom_score_adj; null: those of the largest tree, where no slot is left. */
  hold(score: number | null): void;
  /** What was stopped and is still there goes on. */
  release(): void;
}
