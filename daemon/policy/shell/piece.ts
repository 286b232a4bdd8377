// One run of text within a word, while it is put together.

export interface Piece {
  readonly text: string;
  /** Neither split nor a glob, a brace or a tilde. */
  readonly isQuoted: boolean;
}
