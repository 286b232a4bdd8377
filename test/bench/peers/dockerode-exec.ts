// A command through the Engine API, as most sandboxes for agents run theirs: create, start, read, ask for the exit code.

import { Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import type Docker from 'dockerode';

export interface DockerodeExec {
  readonly exitCode: number | null;
  readonly stdoutBytes: number;
}

export async function dockerodeExec(docker: Docker, container: string, command: readonly string[]): Promise<DockerodeExec> {
  const exec = await docker.getContainer(container).exec({ Cmd: [...command], AttachStdout: true, AttachStderr: true });
  const stream = await exec.start({});
  const stdout = new Counter();
  const stderr = new Counter();
  docker.modem.demuxStream(stream, stdout, stderr);
  await finished(stream, { writable: false });
  const { ExitCode } = await exec.inspect();
  return { exitCode: ExitCode, stdoutBytes: stdout.bytes };
}

/** The same without telling stdout from stderr: the least that can be done with the stream. */
export async function dockerodeExecRaw(docker: Docker, container: string, command: readonly string[]): Promise<number> {
  const exec = await docker.getContainer(container).exec({ Cmd: [...command], AttachStdout: true, AttachStderr: true });
  const stream = await exec.start({});
  let bytes = 0;
  stream.on('data', (chunk: Buffer) => (bytes += chunk.length));
  await finished(stream, { writable: false });
  return bytes;
}

class Counter extends Writable {
  bytes = 0;

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.bytes += chunk.length;
    done();
  }
}
