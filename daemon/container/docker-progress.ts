// What goes with an import or a build: the stream we feed and the progress that comes back, lines of JSON, each bounded.
// Knows nothing of what is built.
import type { Readable } from 'node:stream';
import { StringDecoder } from 'node:string_decoder';
import { SandboxError } from '../../client/protocol/errors.ts';
import { progressLineSchema } from './docker-replies.ts';

const MAX_LINE_CHARS = 1 << 20;
const MAX_REPORT_CHARS = 400;

/** Reads the stream to its end, reports each line, throws on the engine's error line; answers the last status. */
export async function followProgress(stream: AsyncIterable<unknown>, onProgress?: (line: string) => void): Promise<string> {
  const decoder = new StringDecoder('utf8');
  let rest = '';
  let lastStatus = '';
  const take = (line: string): void => {
    if (line.trim() === '') return;
    const entry = progressLineSchema.parse(JSON.parse(line));
    const failure = entry.errorDetail?.message ?? entry.error;
    if (failure !== undefined) throw Object.assign(new Error(failure), { statusCode: 500 });
    const words = (entry.stream ?? entry.status ?? '').trim();
    if (words === '') return;
    lastStatus = words;
    for (const report of words.split('\n')) onProgress?.(report.slice(0, MAX_REPORT_CHARS));
  };
  for await (const chunk of stream) {
    rest += Buffer.isBuffer(chunk) ? decoder.write(chunk) : String(chunk);
    for (let end = rest.indexOf('\n'); end >= 0; end = rest.indexOf('\n')) {
      take(rest.slice(0, end));
      rest = rest.slice(end + 1);
    }
    if (rest.length > MAX_LINE_CHARS) throw new Error('a progress line is longer than 1 MiB');
  }
  take(rest);
  return lastStatus;
}

// A stream of ours that breaks off is not the engine's failure.
export async function feeding<T>(what: string, source: Readable, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (source.errored === null) throw error;
    throw new SandboxError('SANDBOX_FAILED', `Cannot ${what}: ${source.errored.message}`, { cause: source.errored });
  }
}
