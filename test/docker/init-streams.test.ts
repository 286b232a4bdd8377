// Streams of a sandbox: stdin, terminals, dials and large output; each holds up nothing but itself.
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DOWN, FLAG, UP, WINDOW_BYTES } from '../../daemon/link/frames.ts';
import { InitPeer } from '../support/init-peer.ts';

const ECONNREFUSED = 111;
const PORT = 8000;
const ECHO_SERVER = `
import socket
listener = socket.socket(); listener.bind(("127.0.0.1", ${PORT})); listener.listen(); print("ready", flush=True)
stream, _ = listener.accept(); data = b""
while chunk := stream.recv(65536): data += chunk
stream.sendall(data)
`;

describe('the streams of a command', () => {
  let peer: InitPeer;
  beforeAll(async () => {
    peer = await InitPeer.start();
  });
  afterAll(() => peer[Symbol.asyncDispose]());

  const port = (number: number): Buffer => {
    const body = Buffer.alloc(2);
    body.writeUInt16LE(number);
    return body;
  };

  it('carry 100 MB without loss', async () => {
    const exec = peer.exec('yes 0123456789abcdef | head -c 100000000 | tee /dev/stderr | sha256sum');
    const report = await exec.end();
    expect(report).toMatchObject({ code: 0, stderrBytes: 100_000_000 });
    const sum = peer.exec(['sha256sum'], { stdin: true });
    const bytes = Buffer.from(exec.stderr);
    for (let at = 0; at < bytes.length; at += 32_768) {
      await sum.until((e) => at - e.stdinTaken <= 32_768);
      sum.write(bytes.subarray(at, at + 32_768));
    }
    sum.write('', true);
    await sum.end();
    expect(sum.stdout).toBe(exec.stdout);
  });

  it('stop at a window that is not credited, while other commands answer', async () => {
    const exec = peer.exec('yes');
    exec.replies = false;
    await exec.until((e) => e.received === WINDOW_BYTES);
    expect((await peer.exec(['true']).end()).code).toBe(0);
    expect(exec.received).toBe(WINDOW_BYTES);
    peer.killTree(exec, 0);
    peer.credit(exec);
    exec.replies = true;
    expect((await exec.end()).reason).toBe('killed');
  });

  it('take stdin that nobody reads, and say when its reader is gone', async () => {
    const deaf = peer.exec('sleep 1000', { stdin: true });
    deaf.write(Buffer.alloc(65_536));
    const closing = peer.exec('exec <&-; echo closed; sleep 1000', { stdin: true });
    await closing.until((e) => e.stdinClosed);
    for (const exec of [deaf, closing]) peer.killTree(exec, 0);
    for (const exec of [deaf, closing]) expect((await exec.end()).reason).toBe('killed');
  });

  it('are /dev/null where no stdin is asked for', async () => {
    const exec = peer.exec('readlink /proc/self/fd/0; cat');
    await exec.end();
    expect(exec.stdout).toBe('/dev/null\n');
  });

  it('are a terminal with its size, its resizing and its job control', async () => {
    const exec = peer.exec(['bash', '--norc', '-i'], {
      pty: { columns: 100, rows: 30 },
      env: { PATH: '/usr/bin:/bin', PS1: '$ ', TERM: 'dumb' },
    });
    const say = async (line: string, answer: RegExp): Promise<void> => {
      const before = exec.stdout.length;
      exec.write(line);
      await exec.until((e) => answer.test(e.stdout.slice(before)));
    };
    await say('stty size\n', /30 100/);
    peer.send(DOWN.resize, 0, exec.id, Buffer.from([120, 0, 40, 0]));
    await say('stty size\n', /40 120/);
    // The marker is printed by the command itself, so the terminal's foreground is its own by then.
    await say('sh -c "echo one\\-up; exec cat"\n', /one-up\r\n/);
    await say('\x03', /\^C[^$]*\$ /);
    await say('sh -c "echo two\\-up; exec sleep 1000"\n', /two-up\r\n/);
    await say('\x1a', /Stopped[^$]*\$ /);
    await say('exit 3\n', /stopped jobs[^$]*\$ /);
    exec.write('exit 3\n');
    expect(await exec.end()).toMatchObject({ code: 3, stderrBytes: 0 });
  });

  it('hang up an interactive shell that is killed', async () => {
    const exec = peer.exec(['bash', '--norc', '-i'], { pty: { columns: 80, rows: 24 }, env: { PATH: '/usr/bin:/bin', PS1: 'ready> ' } });
    exec.write('echo $((6*7))\n');
    await exec.until((e) => e.stdout.split('ready> ').length > 2);
    peer.killTree(exec, 10_000);
    expect(await exec.end()).toMatchObject({ reason: 'killed' });
  });

  it('reach a listener of the sandbox, both ways, with half-close', async () => {
    const server = peer.exec(['python3', '-c', ECHO_SERVER]);
    await server.until((e) => e.stdout === 'ready\n');
    peer.send(DOWN.dial, 0, 7, port(PORT));
    expect(await peer.other()).toMatchObject({ type: UP.dialed, id: 7, body: Buffer.alloc(4) });
    const sent = randomBytes(200_000);
    for (let at = 0; at < sent.length; at += 50_000)
      peer.send(DOWN.dialData, at + 50_000 === sent.length ? FLAG.eof : 0, 7, sent.subarray(at, at + 50_000));
    const got: Buffer[] = [];
    for (;;) {
      const frame = await peer.other();
      if (frame.type === UP.dialData) got.push(Buffer.from(frame.body));
      if (frame.type === UP.dialClosed) break;
    }
    expect(Buffer.concat(got).equals(sent)).toBe(true);
    await server.end();
  });

  it('say why a port can’t be reached', async () => {
    peer.send(DOWN.dial, 0, 8, port(9));
    const frame = await peer.other();
    expect(frame).toMatchObject({ type: UP.dialed, id: 8 });
    expect(frame.body.readUInt32LE(0)).toBe(ECONNREFUSED);
  });

  it('cost PID 1 no cycle while commands are idle', async () => {
    const idle = Array.from({ length: 20 }, () => peer.exec(['sleep', '1000']));
    await Promise.all(idle.map((exec) => exec.started));
    await sleep(500);
    const before = await peer.container.scheduled();
    await sleep(5000);
    expect(await peer.container.scheduled()).toBe(before);
    for (const exec of idle) peer.killTree(exec, 0);
    for (const exec of idle) await exec.end();
  });
});
