// Everything a workload may use: a daemon with a client, and the same engine with the same image for the peers.
// Owns what is made; the scope it is given takes it away.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Cloister, type OpenOptions, type Sandbox } from 'cloister';
import Docker from 'dockerode';
import { hardenedFlags } from '../peers/hardened-flags.ts';
import { runDocker } from '../peers/docker-cli.ts';
import { DaemonProcess } from './daemon-process.ts';
import type { Scope } from './scope.ts';

const TENANT = 'bench';

export interface Stage {
  readonly scope: Scope;
  readonly packageRoot: string;
  readonly daemon: DaemonProcess;
  readonly client: Cloister;
  /** The client's. */
  readonly token: string;
  /** A sandbox with default limits that no workload closes. */
  readonly sandbox: Sandbox;
  /** The same one, through TCP on the loopback. */
  readonly sandboxOverTcp: Sandbox;
  readonly docker: Docker;
  /** What `docker run` needs to confine a command as a sandbox is confined; the image comes after them. */
  readonly flags: readonly string[];
  readonly image: string;
  /** A container with these flags that sleeps, for the peers to exec in; /workspace is on the host's disk. */
  readonly peerContainer: string;
  /** Of every daemon that is measured: for profilers. */
  readonly nodeOptions: readonly string[];
  /** Directory of this run, for what peers need. */
  readonly directory: string;
  /** A sandbox of a session that nobody used before. */
  open(options?: Partial<OpenOptions>): Promise<Sandbox>;
}

export async function openStage(packageRoot: string, scope: Scope, nodeOptions: readonly string[]): Promise<Stage> {
  const directory = await mkdtemp(join(tmpdir(), 'cl-peers-'));
  scope.defer(() => rm(directory, { recursive: true, force: true }));
  // Servers of the egress workloads are on the host's loopback.
  const daemon = await DaemonProcess.start(packageRoot, scope, nodeOptions, { CLOISTER_EGRESS_ALLOW_PRIVATE: '["127.81.0.0/16"]' });
  // Through a unix socket, as the peers reach the engine.
  const token = await daemon.token(TENANT);
  const client = await Cloister.connect({ url: daemon.localUrl, token });
  scope.defer(() => client.close());
  const clientOverTcp = await Cloister.connect({ url: daemon.url, token });
  scope.defer(() => clientOverTcp.close());
  let sessions = 0;
  const open = (options: Partial<OpenOptions> = {}): Promise<Sandbox> => {
    sessions += 1;
    return client.open({ session: `bench-${sessions}`, workspace: { retain: 'delete' }, ...options });
  };
  const sandbox = await open();
  const sandboxOverTcp = await clientOverTcp.open({ session: sandbox.session, role: 'participant' });
  const { receipt } = sandbox;
  const flags = await hardenedFlags({ packageRoot, directory, uid: receipt.uid, limits: sandbox.limits });
  const docker = new Docker({ socketPath: daemon.engineSocket });
  const image = receipt.image.id;
  const peerContainer = (
    await runDocker(daemon.engineSocket, ['run', '--detach', '--rm', '--init', ...flags, image, 'sleep', 'infinity'])
  ).trim();
  scope.defer(() => runDocker(daemon.engineSocket, ['rm', '--force', peerContainer]));
  return {
    scope,
    packageRoot,
    daemon,
    client,
    token,
    sandbox,
    sandboxOverTcp,
    docker,
    flags,
    image,
    peerContainer,
    nodeOptions,
    directory,
    open,
  };
}
