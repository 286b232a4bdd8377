// E2B's API of sandboxes: create, list, look at, connect, pause, set the timeout, the network, end. Every call is its key's tenant's;
// what another tenant has does not exist.

import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { SandboxError, type SandboxInfo } from '../../client/index.ts';
import { SandboxId } from '../../client/protocol/names.ts';
import type { ApiKey } from './api-keys.ts';
import { E2bFailure, Unsupported } from './failure.ts';
import type { Lifetimes } from './lifetimes.ts';
import { type LiveSandboxes, publicIdOf, sandboxIdOf } from './live-sandboxes.ts';
import { egressOf, NetworkUpdate, type NetworkGround } from './network-policy.ts';
import {
  DEFAULT_TIMEOUT_SECONDS,
  ENVD_VERSION,
  labelsOf,
  NewSandbox,
  openOf,
  Seconds,
  type Template,
  templateIdOf,
  templateOf,
  toldOf,
} from './sandbox-order.ts';
import { newSessionName, type TenantClients } from './tenant-clients.ts';

const MAX_PAGE = 100;

export interface SandboxApiOptions {
  readonly clients: TenantClients;
  readonly sandboxes: LiveSandboxes;
  readonly lifetimes: Lifetimes;
  readonly templates: Readonly<Record<string, Template>>;
  /** Of the profile of a template, or of the one that is given to whoever asks for none. */
  readonly groundOf: (profile: string | undefined) => NetworkGround;
  readonly accessToken: (key: ApiKey, sandbox: SandboxId) => string;
  readonly trafficToken: (key: ApiKey, sandbox: SandboxId) => string;
  /** What the hosts of previews lie under, with the port that browsers use. */
  readonly domain: () => string;
}

export interface ApiAnswer {
  readonly status: number;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface ApiCall {
  readonly key: ApiKey;
  readonly query: URLSearchParams;
  readonly body: () => Promise<unknown>;
}

const Connect = z.object({ timeout: Seconds.default(DEFAULT_TIMEOUT_SECONDS), memory: z.boolean().nullish() });
const Timeout = z.object({ timeout: Seconds });
const Pause = z.object({ memory: z.boolean().nullish() });
const ListQuery = z.object({
  metadata: z.string().max(8192).optional(),
  state: z.array(z.enum(['running', 'paused'])),
  template: z.string().max(128).optional(),
  startedAfter: z.iso.datetime().optional(),
  order: z.enum(['asc', 'desc']).optional(),
  limit: z.coerce.number().int().min(1).max(MAX_PAGE).default(MAX_PAGE),
  nextToken: z.string().max(64).optional(),
});

export class SandboxApi {
  readonly #options: SandboxApiOptions;

  constructor(options: SandboxApiOptions) {
    this.#options = options;
  }

  async create({ key, body }: ApiCall): Promise<ApiAnswer> {
    const { clients, sandboxes, lifetimes, templates, groundOf } = this.#options;
    const asked = NewSandbox.parse(await body());
    const template = templateOf(asked.templateID, templates);
    const session = newSessionName(randomBytes(10).toString('hex'));
    const egress = egressOf(asked, groundOf(template.profile));
    const order = { ...openOf(asked, template, session, key.name), ...lifetimes.lifeOf(asked.timeout, asked.autoPause === true), egress };
    const sandbox = await clients.use(key.tenant, (client) => client.open(order));
    sandboxes.add(sandbox, key.tenant);
    return { status: 201, body: this.#handle(key, SandboxId.parse(sandbox.id), asked.templateID) };
  }

  async list({ key, query }: ApiCall, isV1: boolean): Promise<ApiAnswer> {
    const { sandboxes, lifetimes } = this.#options;
    const asked = ListQuery.parse({ ...Object.fromEntries(query), state: query.getAll('state').flatMap((text) => text.split(',')) });
    const wanted = labelsOf(metadataAsked(asked.metadata));
    const states = asked.state.length > 0 ? asked.state : isV1 ? ['running'] : ['running', 'paused'];
    const found = (await sandboxes.list(key.tenant)).filter(
      (info) =>
        states.includes(lifetimes.isPaused(info) ? 'paused' : 'running') &&
        (asked.template === undefined || templateIdOf(info) === asked.template) &&
        (asked.startedAfter === undefined || info.createdAt >= asked.startedAfter) &&
        Object.entries(wanted).every(([name, value]) => info.labels[name] === value),
    );
    const sign = asked.order === 'asc' ? 1 : -1;
    found.sort((a, b) => sign * (orderOf(a) < orderOf(b) ? -1 : 1));
    const after = asked.nextToken === undefined ? undefined : Buffer.from(asked.nextToken, 'base64url').toString();
    const rest =
      after === undefined ? found : found.filter((info) => (orderOf(info) < after ? -1 : 1) * sign > 0 && orderOf(info) !== after);
    const page = rest.slice(0, asked.limit);
    const last = page.at(-1);
    const more =
      last !== undefined && rest.length > page.length ? { 'x-next-token': Buffer.from(orderOf(last)).toString('base64url') } : {};
    return { status: 200, body: page.map((info) => this.#told(info)), headers: more };
  }

  async get({ key }: ApiCall, id: string): Promise<ApiAnswer> {
    const info = await this.#info(key, id);
    const allowInternetAccess = this.#options.groundOf(info.profile).hasNetwork;
    return { status: 200, body: { ...this.#told(info), ...this.#handle(key, info.id, templateIdOf(info)), allowInternetAccess } };
  }

  async connect({ key, body }: ApiCall, id: string): Promise<ApiAnswer> {
    const { lifetimes } = this.#options;
    const { timeout, memory } = Connect.parse(await body());
    if (memory === false) throw new Unsupported("onResume: 'reboot'", 'Leave it out: processes go on where they were.');
    const info = await this.#info(key, id);
    const isPaused = lifetimes.isPaused(info);
    // A longer life that the sandbox has already stays.
    if (isPaused) await lifetimes.resume(key.tenant, info, timeout);
    else if (lifetimes.isLonger(info, timeout)) await lifetimes.setTimeout(key.tenant, info, timeout);
    return { status: isPaused ? 201 : 200, body: this.#handle(key, info.id, templateIdOf(info)) };
  }

  async pause({ key, body }: ApiCall, id: string): Promise<ApiAnswer> {
    const { memory } = Pause.parse(await body());
    if (memory === false) throw new Unsupported('keepMemory: false', 'Leave it out: a paused sandbox keeps its processes.');
    const info = await this.#info(key, id);
    if (this.#options.lifetimes.isPaused(info)) throw new E2bFailure(409, 'aborted', 'Cannot pause the sandbox: it is paused already');
    await this.#options.lifetimes.pause(key.tenant, info.id);
    return { status: 204 };
  }

  async setTimeout({ key, body }: ApiCall, id: string): Promise<ApiAnswer> {
    const { timeout } = Timeout.parse(await body());
    const info = await this.#info(key, id);
    if (this.#options.lifetimes.isPaused(info))
      throw new E2bFailure(409, 'failed_precondition', 'Cannot set the timeout: the sandbox is paused. Connect to it first');
    await this.#options.lifetimes.setTimeout(key.tenant, info, timeout);
    return { status: 204 };
  }

  async setNetwork({ key, body }: ApiCall, id: string): Promise<ApiAnswer> {
    const { allow_internet_access, ...network } = NetworkUpdate.parse(await body());
    const info = await this.#info(key, id);
    const policy = egressOf({ allow_internet_access, network }, this.#options.groundOf(info.profile));
    if (policy !== undefined) await this.#options.sandboxes.use(key.tenant, info.id, ({ sandbox }) => sandbox.egress.set(policy));
    return { status: 204 };
  }

  async kill({ key }: ApiCall, id: string): Promise<ApiAnswer> {
    const info = await this.#info(key, id);
    await this.#options.sandboxes.close(key.tenant, info.id);
    return { status: 204 };
  }

  async #info(key: ApiKey, id: string): Promise<SandboxInfo> {
    return await this.#options.sandboxes.info(key.tenant, sandboxIdOf(id));
  }

  #told(info: SandboxInfo): Record<string, unknown> {
    const { lifetimes } = this.#options;
    return toldOf(info, { endMs: lifetimes.endOf(info), isPaused: lifetimes.isPaused(info) });
  }

  /** What a client needs to use it. */
  #handle(key: ApiKey, id: SandboxId, templateID: string): Record<string, unknown> {
    const { accessToken, trafficToken, domain } = this.#options;
    return {
      templateID,
      sandboxID: publicIdOf(id),
      clientID: 'cloister',
      envdVersion: ENVD_VERSION,
      envdAccessToken: accessToken(key, id),
      trafficAccessToken: trafficToken(key, id),
      domain: domain(),
    };
  }
}

/** When it was made, and its id where two were made at once. */
const orderOf = ({ createdAt, id }: SandboxInfo): string => `${createdAt} ${id}`;

/** A query in a query, whose names and values are encoded once more. */
function metadataAsked(text: string | undefined): Record<string, string> {
  try {
    return Object.fromEntries([...new URLSearchParams(text ?? '')].map((pair) => pair.map(decodeURIComponent) as [string, string]));
  } catch {
    throw new SandboxError('INVALID_REQUEST', 'Cannot list sandboxes: metadata is not a query');
  }
}
