// A sandbox's side of the egress process without the process: a port whose world is loopback and whose events are kept.

import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import type { SecureContext } from 'node:tls';
import { addressKey, groupsOf, parseCidr } from '../../daemon/egress/cidr.ts';
import { type Connect, connectSocket } from '../../daemon/egress/dial.ts';
import { DEFAULT_EGRESS_LIMITS, type DecisionRecord, type EgressLimits, type HeaderSecret } from '../../daemon/egress/messages.ts';
import { contextOfRoots } from '../../daemon/egress/opened-tls.ts';
import { SandboxPort } from '../../daemon/egress/sandbox-port.ts';
import { serve } from '../../daemon/egress/serve.ts';
import type { GrantedEgress } from '../../daemon/policy/egress-policy.ts';
import { indexPatterns } from '../../daemon/policy/host-index.ts';
import { parseHostPattern } from '../../daemon/policy/host-pattern.ts';

const open: Server[] = [];

export function closeHarnesses(): void {
  for (const server of open.splice(0)) server.close();
}

export async function listen(onSocket: (socket: Socket) => void): Promise<number> {
  const server = createServer({ allowHalfOpen: true }, (socket) => onSocket(socket.on('error', () => undefined)));
  open.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

export interface EgressHarness {
  readonly decisions: DecisionRecord[];
  readonly started: DecisionRecord[];
  readonly dialled: string[];
  readonly port: SandboxPort;
  /** Entries and ranges that operators close from now on; in force at the next policy. */
  block(hosts: readonly string[], ranges: readonly string[]): void;
  /** The proxy's port on loopback. */
  readonly proxy: number;
  /** An echo server's port on loopback, as `echo.test`. */
  readonly echo: number;
  /** Sends, and reads until the end or until `enough`. */
  talk(text: string | Buffer, enough?: string): Promise<string>;
}

export interface EgressHarnessOptions {
  readonly limits?: Partial<EgressLimits>;
  readonly connect?: Connect;
  readonly addresses?: readonly string[];
  readonly policy?: Partial<GrantedEgress>;
  readonly secrets?: readonly HeaderSecret[];
  readonly leaf?: (host: string) => Promise<SecureContext | null>;
  /** PEM of whoever vouches for servers. */
  readonly roots?: string;
}

export async function egressHarness(options: EgressHarnessOptions = {}): Promise<EgressHarness> {
  const echo = await listen((socket) => socket.pipe(socket));
  const [decisions, started, dialled]: [DecisionRecord[], DecisionRecord[], string[]] = [[], [], []];
  const connectTo = options.connect ?? connectSocket;
  let attempts = 0;
  let blocked: { readonly hosts: readonly string[]; readonly ranges: readonly string[] } = { hosts: [], ranges: [] };
  const port: SandboxPort = new SandboxPort({
    services: {
      operator: () => ({
        allowPrivate: [parseCidr('127.0.0.1/32')!],
        blocked: blocked.ranges.map((text) => parseCidr(text)!),
        blockedHosts: indexPatterns(blocked.hosts.map((text) => parseHostPattern(text)!)),
        own: new Set([addressKey(groupsOf('127.0.0.1')!)]),
      }),
      resolve: async () => ({ kind: 'addresses', addresses: options.addresses ?? ['127.0.0.1'] }),
      connect: (address, to, signal) => {
        dialled.push(`${address}:${to}`);
        return connectTo(address, to, signal);
      },
      limits: { ...DEFAULT_EGRESS_LIMITS, ...options.limits },
      roots: () => contextOfRoots(options.roots ?? ''),
      nextId: () => {
        attempts += 1;
        return attempts;
      },
      now: Date.now,
    },
    policy: { mode: 'allowlist', allow: ['echo.test', `echo.test:${echo}`], deny: [], ask: [], ...options.policy },
    secrets: options.secrets ?? [],
    usedUp: 0,
    usedDown: 0,
    onStarted: (decision) => started.push(decision),
    onDecision: (decision) => decisions.push(decision),
    leaf: options.leaf ?? (() => Promise.resolve(null)),
    ask: async (_, verdict) => verdict,
    serve: (socket) => serve(socket, port),
  });
  const proxy = await listen((socket) => port.accept(socket));
  const talk = (text: string | Buffer, enough?: string): Promise<string> =>
    new Promise((resolve) => {
      const socket = connect(proxy, '127.0.0.1');
      let got = '';
      socket.on('error', () => undefined).on('close', () => resolve(got));
      socket.on('data', (bytes: Buffer) => {
        got += bytes.toString('latin1');
        if (enough !== undefined && got.includes(enough)) resolve(got);
      });
      socket.write(text);
    });
  const block = (hosts: readonly string[], ranges: readonly string[]): void => void (blocked = { hosts, ranges });
  return { decisions, started, dialled, port, block, proxy, talk, echo };
}
