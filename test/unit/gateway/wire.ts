// Connections without sockets: what a client sends, what it gets, over the real dispatch, pool and registry.

import { EventEmitter } from 'node:events';
import { randomBytes } from 'node:crypto';
import type { WebSocket } from 'ws';
import { decodeFrame, PROTOCOL_VERSION, type BinaryFrame } from '../../../client/protocol/frames.ts';
import type { ErrorBody } from '../../../client/protocol/requests.ts';
import type { Principal } from '../../../daemon/auth/principal.ts';
import { Connection } from '../../../daemon/gateway/connection.ts';
import { createDispatch } from '../../../daemon/gateway/handlers.ts';
import type { PreviewServer } from '../../../daemon/gateway/ports/preview-server.ts';
import { TenantQueues } from '../../../daemon/gateway/tenant-queues.ts';
import { ClientRegistry } from '../../../daemon/session/client-registry.ts';
import type { HandlerContext } from '../../../daemon/gateway/handler.ts';
import { openPermissions } from '../../../daemon/open-permissions.ts';
import { type GrantedPermissions, grantPermissions } from '../../../daemon/policy/permission-policy.ts';
import { DEFAULT_RULES, type RuleOrPreset } from '../../../daemon/policy/permission-presets.ts';
import { BUILT_IN_PROFILES } from '../../../daemon/policy/profiles.ts';
import { Confirmations } from '../../../daemon/session/confirmations.ts';
import { UsageBook } from '../../../daemon/session/usage-book.ts';
import { settled } from '../../support/fake-clock.ts';
import { FakeSecrets } from '../../support/fake-secrets.ts';
import { policySource, poolHarness, principal, silentLog, type PoolHarness } from '../../support/fake-sandbox.ts';

class FakeSocket extends EventEmitter {
  bufferedAmount = 0;
  readonly sent: (string | Uint8Array)[] = [];
  closedWith: number | null = null;
  isTerminated = false;

  send(data: string | Uint8Array, _options?: object, done?: () => void): void {
    this.sent.push(data);
    done?.();
  }

  close(code: number): void {
    this.closedWith ??= code;
  }

  /** The peer is gone. */
  terminate(): void {
    if (this.isTerminated) return;
    this.isTerminated = true;
    this.emit('close');
  }

  ping(): void {
    // Nobody answers.
  }
}

export interface Reply {
  readonly id: number;
  readonly result?: Record<string, unknown>;
  readonly error?: ErrorBody;
}

export class Client {
  readonly socket = new FakeSocket();
  readonly connection: Connection;
  #lastId = 0;

  constructor(make: (socket: WebSocket) => Connection) {
    this.connection = make(this.socket as unknown as WebSocket);
  }

  get messages(): Reply[] {
    return this.socket.sent.filter((data) => typeof data === 'string').map((data) => JSON.parse(data) as Reply);
  }

  get frames(): BinaryFrame[] {
    return this.socket.sent.filter((data) => typeof data !== 'string').map((data) => decodeFrame(data)!);
  }

  get events(): Record<string, unknown>[] {
    return this.messages.filter((message) => 'event' in message) as unknown as Record<string, unknown>[];
  }

  /** Sends and does not wait; answers the id. */
  send(op: string, params: object): number {
    this.#lastId += 1;
    this.text(JSON.stringify({ id: this.#lastId, op, params }));
    return this.#lastId;
  }

  text(text: string): void {
    this.socket.emit('message', Buffer.from(text), false);
  }

  frame(bytes: Uint8Array): void {
    this.socket.emit('message', Buffer.from(bytes), true);
  }

  answersTo(id: number): Reply[] {
    return this.messages.filter((message) => message.id === id);
  }

  /** `no error`, or the code and the reason after the colon; `no answer` if it waits. */
  async outcome(op: string, params: object): Promise<string> {
    const id = this.send(op, params);
    await settled();
    const [answer] = this.answersTo(id);
    if (answer === undefined) return 'no answer';
    return answer.error === undefined
      ? 'no error'
      : `${answer.error.code}: ${answer.error.message.slice(answer.error.message.indexOf(': ') + 2)}`;
  }

  async call(op: string, params: object): Promise<Record<string, unknown>> {
    const id = this.send(op, params);
    await settled();
    const [answer] = this.answersTo(id);
    if (answer?.result === undefined) throw new Error(`${op}: ${answer?.error?.message ?? 'no answer'}`);
    return answer.result;
  }
}

export interface Gate extends PoolHarness {
  readonly clients: ClientRegistry;
  readonly confirmations: Confirmations;
  /** The operator's, as they are now; sessions keep those they were opened with. */
  readonly rules: { rules: readonly RuleOrPreset[]; hardFloor: boolean };
  /** Connected, and nothing said. */
  connect(who?: Principal): Client;
  /** Connected and introduced. */
  greet(who?: Principal, clientId?: string, disconnectGraceMs?: number): Promise<Client>;
}

export function gate(
  more: { readonly perTenant?: object; readonly rules?: readonly RuleOrPreset[]; readonly hardFloor?: boolean } = {},
): Gate {
  const connections: Connection[] = [];
  const rules = { rules: more.rules ?? DEFAULT_RULES, hardFloor: more.hardFloor ?? true };
  const harness = poolHarness({
    ...(more.perTenant === undefined ? {} : { perTenant: more.perTenant }),
    policySource: () => policySource({ permissions: { ...rules } }),
    onEnded: (session) => {
      for (const connection of connections) {
        if (connection.roles.forget(session.id))
          connection.sendEvent({ event: 'session.ended', sandbox: session.id, code: 'SESSION_EXPIRED', reason: 'test' });
      }
    },
  });
  const { pool, clock, audit } = harness;
  const clients = new ClientRegistry({ clock });
  const previews = { urlFor: () => ({ url: 'http://preview', expiresAt: clock.now() }) } as unknown as PreviewServer;
  const confirmations = new Confirmations({
    clock,
    audit: audit.log,
    timeoutMs: 60_000,
    deliver: (request) => {
      const controller = pool.controllerOf(request.sandboxId);
      const connection = connections.find(({ client, isOpen }) => isOpen && client !== null && client.id === controller);
      connection?.sendEvent({ event: 'confirm.request', request });
      return connection?.client?.id ?? false;
    },
  });
  const ofProfile = new Map<string, GrantedPermissions>();
  const permissions = openPermissions({
    configuration: {
      permissionsOf: (name) => {
        const key = `${name} ${JSON.stringify(rules)}`;
        const profile = BUILT_IN_PROFILES[name];
        if (profile !== undefined && !ofProfile.has(key)) ofProfile.set(key, grantPermissions(undefined, { name, profile }, rules));
        return ofProfile.get(key) ?? null;
      },
    },
    confirmations,
    audit: audit.log,
  });
  const context = {
    pool,
    confirmations,
    permissions,
    secrets: new FakeSecrets().store,
    usage: new UsageBook(),
    clients,
    previews,
    audit: audit.log,
    clock,
    log: silentLog,
    version: 'test',
    heartbeatMs: 15_000,
    receiptKey: 'pem',
  };
  const dispatch = createDispatch(context as unknown as HandlerContext);
  const queues = new TenantQueues({ connections: () => connections.filter(({ isOpen }) => isOpen), log: silentLog });
  const connect = (who = principal()): Client =>
    new Client((socket) => {
      const connection = new Connection({
        socket,
        stream: { cork: () => undefined, uncork: () => undefined },
        principal: who,
        dispatch,
        clock,
        log: silentLog,
        heartbeatMs: 15_000,
        onTraffic: (bytes) => queues.passed(bytes),
        onClosed: ({ client, disconnect }) => {
          if (client !== null && clients.disconnected(client.id, disconnect, () => pool.controllerGone(client.id)))
            pool.controllerLost(client.id);
          if (client !== null) confirmations.disconnected(client.id);
        },
      });
      connections.push(connection);
      return connection;
    });
  const greet = async (
    who = principal(),
    clientId = randomBytes(24).toString('base64url'),
    disconnectGraceMs = 30_000,
  ): Promise<Client> => {
    const client = connect(who);
    await client.call('hello', { protocol: PROTOCOL_VERSION, clientId, disconnectGraceMs });
    return client;
  };
  return { ...harness, clients, confirmations, rules, connect, greet };
}
