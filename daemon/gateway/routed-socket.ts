// Between a client's WebSocket and its connection in a fleet: what belongs to another member's sandbox goes there and comes back as it
// is, the rest never notices. Owns which sandbox, call and stream goes where; ids are the client's own on every hop, credit is
// between client and owner. Nothing is answered in an owner's place: if the link to one is lost, the client's own is cut, and it resumes.

import type { RawData, WebSocket } from 'ws';
import { z } from 'zod';
import { SandboxError } from '../../client/protocol/errors.ts';
import { CLOSE_CODE, decodeFrame } from '../../client/protocol/frames.ts';
import type { Clock } from '../observe/clock.ts';
import type { Log } from '../observe/log.ts';
import type { ClientSocket } from './client-socket.ts';
import { errorBody } from './error-body.ts';
import { ListGathering } from './list-gathering.ts';
import { openAnywhere, type OpenRoutingOptions } from './open-routing.ts';
import type { Upstream } from './upstream.ts';
import { Upstreams } from './upstreams.ts';

/** Bytes that wait for one side above which the other is not read. */
const HIGH_WATER_BYTES = 4 * 1024 * 1024;
/** Calls that wait for their way. */
const MAX_WAITING = 1024;
/** Sandboxes whose way is remembered here; that of others is looked up again. */
const MAX_SANDBOXES = 4096;

/** As much of a request as its way depends on; whether it is one is checked where it arrives. */
const Request = z.object({
  id: z.int().min(1),
  op: z.string(),
  params: z.looseObject({ sandbox: z.string().max(64).optional(), stream: z.int().optional() }).catch({}),
});

export interface RoutedSocketOptions extends Omit<OpenRoutingOptions, 'upstreams'> {
  readonly socket: WebSocket;
  readonly token: string;
  /** Id of this member. */
  readonly self: string;
  readonly isHere: (sandbox: string) => boolean;
  readonly clock: Clock;
  readonly log: Log;
}

export class RoutedSocket implements ClientSocket {
  readonly #options: RoutedSocketOptions;
  readonly #socket: WebSocket;
  readonly #upstreams: Upstreams;
  /** null: of this member. */
  readonly #sandboxes = new Map<string, Upstream | null>();
  /** Streams at other members, at most as many as calls are in flight there; and their calls, which end them. */
  readonly #streams = new Map<number, Upstream>();
  readonly #streamOfCall = new Map<number, number>();
  /** Calls whose answer is wanted here first, by their id and where they went. */
  readonly #awaited = new Map<string, (text: string) => void>();
  #waiting = 0;
  #toConnection: (data: RawData, isBinary: boolean) => void = () => undefined;
  #isClosed = false;

  constructor(options: RoutedSocketOptions) {
    this.#options = options;
    this.#socket = options.socket;
    this.#upstreams = new Upstreams({
      ...options,
      onMessage: (upstream, data, isBinary) => this.#fromUpstream(upstream, data, isBinary),
      onLost: (upstream, code, reason) => this.#onLost(upstream, code, reason),
    });
    this.#socket.on('message', (data, isBinary) => this.#fromClient(data as Buffer, isBinary));
    this.#socket.on('close', () => {
      this.#isClosed = true;
      this.#upstreams.end();
    });
  }

  get bufferedAmount(): number {
    return this.#socket.bufferedAmount;
  }

  on(event: 'message', listener: (data: RawData, isBinary: boolean) => void): unknown;
  on(event: 'pong' | 'close', listener: () => void): unknown;
  on(event: 'error', listener: (error: Error) => void): unknown;
  on(event: 'message' | 'pong' | 'close' | 'error', listener: (...values: never[]) => void): unknown {
    if (event === 'message') this.#toConnection = listener as (data: RawData, isBinary: boolean) => void;
    else this.#socket.on(event, (value: unknown) => (listener as (value: unknown) => void)(value));
    return this;
  }

  send(data: string): void;
  send(data: Uint8Array, options: { readonly binary: true }, onSent: () => void): void;
  send(data: string | Uint8Array, options?: { readonly binary: true }, onSent?: () => void): void {
    if (typeof data !== 'string') return this.#socket.send(data, options ?? {}, onSent);
    if (this.#awaited.size > 0 && this.#isTaken(idOf(data), data, null)) return;
    this.#socket.send(data);
  }

  ping(): void {
    this.#socket.ping();
  }

  close(code: number, reason: string): void {
    this.#socket.close(code, reason);
  }

  terminate(): void {
    this.#socket.terminate();
  }

  #fromClient(data: Buffer, isBinary: boolean): void {
    if (isBinary) {
      const upstream = this.#streams.size === 0 ? undefined : this.#streams.get(decodeFrame(data)?.stream ?? 0);
      if (upstream === undefined) this.#toConnection(data, true);
      else this.#toUpstream(upstream, data, true);
      return;
    }
    const request = requestOf(data);
    if (request === null) return this.#toConnection(data, false);
    const { id, op, params } = request;
    if (op === 'hello') this.#upstreams.greetWith({ id, text: data.toString() });
    if (!this.#upstreams.canDial) return this.#toConnection(data, false);
    if (op === 'open') this.#later(id, () => this.#open(id, data, params));
    else if (op === 'list') this.#later(id, () => this.#list(id, data));
    else if (params.sandbox === undefined) this.#toConnection(data, false);
    else this.#call(id, data, params.sandbox, params.stream);
  }

  #call(id: number, data: Buffer, sandbox: string, stream: number | undefined): void {
    const known = this.#sandboxes.get(sandbox);
    if (known === null || (known === undefined && this.#options.isHere(sandbox))) {
      if (stream !== undefined) this.#streams.delete(stream);
      this.#toConnection(data, false);
    } else if (known !== undefined) this.#request(known, id, data, stream);
    else
      this.#later(id, async () => {
        const member = await this.#options.routing.ownerOf(sandbox);
        if (member === null) this.#toConnection(data, false);
        else this.#request(await this.#upstreams.to(member), id, data, stream);
      });
  }

  #request(upstream: Upstream, id: number, data: Buffer, stream: number | undefined): void {
    if (stream !== undefined) {
      this.#streams.set(stream, upstream);
      this.#streamOfCall.set(id, stream);
    }
    this.#toUpstream(upstream, data, false);
  }

  async #open(id: number, data: Buffer, params: unknown): Promise<void> {
    const options = { ...this.#options, upstreams: this.#upstreams };
    const { text, upstream, sandbox } = await openAnywhere(options, params, (at) => this.#ask(id, data, at));
    if (sandbox !== null) this.#remember(sandbox, upstream);
    this.#answer(text);
  }

  /** Of all members that answer. */
  async #list(id: number, data: Buffer): Promise<void> {
    const gathering = new ListGathering(await this.#ask(id, data, null));
    const others = await this.#options.routing.others().catch(() => []);
    await Promise.all(
      others.map(async (member) => {
        try {
          const upstream = await this.#upstreams.to(member);
          gathering.add(await this.#ask(id, data, upstream));
          if (![...this.#sandboxes.values(), ...this.#streams.values()].includes(upstream)) this.#upstreams.release(upstream);
        } catch (error) {
          this.#options.log.warn({ err: error, member: member.id }, 'a member of the fleet is left out of a list');
        }
      }),
    );
    this.#answer(gathering.text);
  }

  /** The answer as text; `upstream` null: this member's. OWNER_UNAVAILABLE if the way is lost before it comes. */
  #ask(id: number, data: Buffer, upstream: Upstream | null): Promise<string> {
    return new Promise((resolve, reject) => {
      const key = awaitedKey(id, upstream);
      const onLost = (): void => {
        this.#awaited.delete(key);
        reject(new SandboxError('OWNER_UNAVAILABLE', 'Cannot tell how the call ended: the link to a member of the fleet was lost'));
      };
      this.#awaited.set(key, (text) => {
        this.#awaited.delete(key);
        upstream?.lost.removeEventListener('abort', onLost);
        resolve(text);
      });
      upstream?.lost.addEventListener('abort', onLost, { once: true });
      if (upstream === null) this.#toConnection(data, false);
      else this.#toUpstream(upstream, data, false);
    });
  }

  #answer(text: string): void {
    if (!this.#isClosed) this.#socket.send(text);
  }

  #fromUpstream(upstream: Upstream, data: Buffer, isBinary: boolean): void {
    if (!isBinary && (this.#awaited.size > 0 || this.#streamOfCall.size > 0)) {
      const id = idOf(data.toString('latin1', 0, 32));
      const stream = this.#streamOfCall.get(id);
      if (stream !== undefined && this.#streams.get(stream) === upstream) this.#streams.delete(stream);
      this.#streamOfCall.delete(id);
      if (this.#isTaken(id, data.toString(), upstream)) return;
    }
    this.#socket.send(data, { binary: isBinary }, () => {
      if (this.#socket.bufferedAmount < HIGH_WATER_BYTES / 2) this.#upstreams.resume();
    });
    if (this.#socket.bufferedAmount >= HIGH_WATER_BYTES) this.#upstreams.pause();
  }

  #toUpstream(upstream: Upstream, data: Buffer, isBinary: boolean): void {
    upstream.send(data, isBinary, () => {
      if (this.#socket.isPaused && upstream.bufferedAmount < HIGH_WATER_BYTES / 2) this.#socket.resume();
    });
    if (upstream.bufferedAmount >= HIGH_WATER_BYTES) this.#socket.pause();
  }

  #isTaken(id: number, text: string, from: Upstream | null): boolean {
    const take = this.#awaited.get(awaitedKey(id, from));
    take?.(text);
    return take !== undefined;
  }

  #remember(sandbox: string, upstream: Upstream | null): void {
    this.#sandboxes.delete(sandbox);
    this.#sandboxes.set(sandbox, upstream);
    for (const oldest of this.#sandboxes.keys()) {
      if (this.#sandboxes.size <= MAX_SANDBOXES) break;
      this.#sandboxes.delete(oldest);
    }
  }

  /** A failure on the way is the call's answer. */
  #later(id: number, act: () => Promise<void>): void {
    if (this.#waiting >= MAX_WAITING)
      return this.#refuse(id, new SandboxError('QUOTA_EXCEEDED', `Cannot take request ${id}: ${MAX_WAITING} wait for their way already`));
    this.#waiting += 1;
    void act()
      .catch((error: unknown) => this.#refuse(id, error))
      .finally(() => (this.#waiting -= 1));
  }

  #refuse(id: number, error: unknown): void {
    if (!SandboxError.is(error)) this.#options.log.error({ err: error, requestId: id }, 'request not passed on');
    this.#answer(JSON.stringify({ id, error: errorBody(error, id) }));
  }

  /** Its calls have no answer, and none is invented: the client comes back and asks again. */
  #onLost(upstream: Upstream, code: number, reason: string): void {
    this.#socket.resume();
    const held = [...this.#sandboxes].filter(([, at]) => at === upstream).map(([sandbox]) => sandbox);
    for (const sandbox of held) this.#sandboxes.delete(sandbox);
    const isShared = this.#sandboxes.size > 0 || held.length === 0;
    const isUsed = held.length > 0 || [...this.#streams.values()].includes(upstream);
    if (code === CLOSE_CODE.leaseLost && isShared) return;
    if (code === CLOSE_CODE.leaseLost || code === CLOSE_CODE.tokenExpired) this.#socket.close(code, reason);
    else if (isUsed) this.#socket.close(CLOSE_CODE.goingAway, 'the link to the member that has a sandbox of yours was lost');
  }
}

function requestOf(data: Buffer): z.infer<typeof Request> | null {
  try {
    return Request.safeParse(JSON.parse(data.toString())).data ?? null;
  } catch {
    return null;
  }
}

/** Of an answer, whose id comes first; 0: it is an event. */
const idOf = (text: string): number => Number(/^\{"id":(\d{1,16}),/.exec(text)?.[1] ?? 0);

const awaitedKey = (id: number, from: Upstream | null): string => `${id}@${from?.member.id ?? ''}`;
