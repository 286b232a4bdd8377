// Parts of a document that are written by a program, between two comments. Pure.

export interface MarkedPart {
  readonly begin: string;
  readonly end: string;
}

/** The document with this part replaced. */
export function withPart(document: string, { begin, end }: MarkedPart, content: string): string {
  const from = document.indexOf(begin);
  const to = document.indexOf(end, from);
  if (from < 0 || to < 0) throw new Error(`Cannot write the part between ${begin} and ${end}: the document lacks them`);
  return `${document.slice(0, from + begin.length)}\n${content}\n${document.slice(to)}`;
}
