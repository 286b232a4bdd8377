// Puts the bytes of an archive into its parser, at the parser's pace. Both ends of a transfer do it the same way; which parser
// it is, is theirs.

/** The writing side of a parser of archives. */
export interface ArchiveParser {
  readonly destroyed: boolean;
  write(bytes: Uint8Array): boolean;
  end(last: null): unknown;
  destroy(error: Error): unknown;
  on(event: 'drain' | 'close', listener: () => void): unknown;
  off(event: 'drain' | 'close', listener: () => void): unknown;
}

/** Done early when the parser has been destroyed. A source that fails destroys the parser, and is thrown. */
export async function feedArchive(source: AsyncIterable<Uint8Array>, parser: ArchiveParser): Promise<void> {
  try {
    for await (const bytes of source) {
      if (parser.destroyed) return;
      if (!parser.write(bytes)) await hasRoom(parser);
    }
    parser.end(null);
  } catch (error) {
    parser.destroy(error instanceof Error ? error : new Error(String(error)));
    throw error;
  }
}

function hasRoom(parser: ArchiveParser): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      parser.off('drain', done);
      parser.off('close', done);
      resolve();
    };
    parser.on('drain', done);
    parser.on('close', done);
    if (parser.destroyed) done();
  });
}
