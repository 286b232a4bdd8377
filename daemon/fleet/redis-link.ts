// The connection to Redis or Valkey: kept up in the background, every call bounded in time. The only file that knows the client.

import { createClient, defineScript } from '@redis/client';
import { SandboxError } from '../../client/protocol/errors.ts';
import type { Log } from '../observe/log.ts';
import { PLACEMENT_SCRIPTS, type PlacementScript } from './placement-scripts.ts';

const CALL_MS = 2000;
const CONNECT_MS = 2000;
const MAX_QUEUE = 10_000;
const RETRY_MS = 2000;
/** All keys share its hash tag; in a cluster it says which node runs the script. */
const ROUTING_KEY = '{cloister}:epoch';

type Scripts = Readonly<Record<PlacementScript, ReturnType<typeof scriptOf>>>;

const scriptOf = (text: string) =>
  defineScript({
    SCRIPT: text,
    NUMBER_OF_KEYS: 1,
    parseCommand(parser, args: readonly string[]) {
      parser.pushKey(ROUTING_KEY);
      parser.push(...args);
    },
    // Read by whoever asked.
    transformReply: (reply: unknown): unknown => reply,
  });

function clientOf(url: string) {
  // Safe because: the entries are those of PLACEMENT_SCRIPTS, under the same names.
  const scripts = Object.fromEntries(Object.entries(PLACEMENT_SCRIPTS).map(([name, text]) => [name, scriptOf(text)])) as Scripts;
  return createClient({
    url,
    scripts,
    disableOfflineQueue: true,
    commandsQueueMaxLength: MAX_QUEUE,
    socket: {
      connectTimeout: CONNECT_MS,
      reconnectStrategy: (attempt) => Math.min(RETRY_MS, 50 * 2 ** Math.min(attempt, 10)) * (0.5 + Math.random() / 2),
    },
  });
}

export interface RedisLinkOptions {
  /** redis://, rediss:// or unix:// address; may carry a password. */
  readonly url: string;
  readonly log: Log;
}

export class RedisLink {
  readonly #client: ReturnType<typeof clientOf>;
  readonly #log: Log;
  #wasLost = false;

  constructor({ url, log }: RedisLinkOptions) {
    this.#log = log;
    this.#client = clientOf(url);
    this.#client.on('error', (error: Error) => {
      // Once per outage: it is tried again for as long as it takes.
      if (!this.#wasLost) log.warn({ err: error }, 'redis does not answer; existing sessions go on, new ones wait');
      this.#wasLost = true;
    });
    this.#client.on('ready', () => {
      if (this.#wasLost) log.info('redis answers again');
      this.#wasLost = false;
    });
  }

  /** Goes on in the background: a fleet's member starts without Redis, too. */
  start(): void {
    this.#client.connect().catch((error: unknown) => this.#log.error({ err: error }, 'redis is not connected to'));
  }

  get isUp(): boolean {
    return this.#client.isReady;
  }

  /** Rejects with CAPACITY where Redis gives no answer in time; what it did is then unknown. */
  async run(script: PlacementScript, args: readonly string[]): Promise<unknown> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`no answer within ${CALL_MS} ms`)), CALL_MS);
      timer.unref();
    });
    try {
      return await Promise.race([this.#client[script](args), late]);
    } catch (cause) {
      throw new SandboxError('CAPACITY', 'Cannot place sessions: the directory of the fleet does not answer', {
        cause,
        retryAfterMs: 2000,
        hint: 'Open sessions go on; try a new one again in a few seconds.',
      });
    } finally {
      clearTimeout(timer);
    }
  }

  close(): void {
    if (this.#client.isOpen) this.#client.destroy();
  }
}
