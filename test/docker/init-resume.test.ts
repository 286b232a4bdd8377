// A daemon that goes away loses no byte, no outcome and no limit of the commands that run meanwhile.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DOWN } from '../../daemon/link/frames.ts';
import { InitPeer } from '../support/init-peer.ts';

const LINES = 20_000;
const NUMBERED = `i=0; while [ $i -lt ${LINES} ]; do echo line $i; i=$((i+1)); done; exit 5`;

describe('a connection that is lost', () => {
  let peer: InitPeer;
  beforeAll(async () => {
    peer = await InitPeer.start();
  });
  afterAll(() => peer[Symbol.asyncDispose]());

  const reconnect = async (): Promise<void> => {
    peer.cut();
    await peer.connect();
  };

  it('costs no line and doubles none, however often it is cut', async () => {
    const exec = peer.exec(NUMBERED);
    for (let cuts = 0; cuts < 20 && exec.exits === 0; cuts += 1) {
      const before = exec.received;
      await exec.until((e) => e.received > before || e.exits > 0);
      if (exec.exits > 0) break;
      await reconnect();
      peer.credit(exec, true);
    }
    expect(await exec.end()).toMatchObject({ code: 5, reason: 'self' });
    expect(exec.stdout).toBe(Array.from({ length: LINES }, (_, i) => `line ${i}\n`).join(''));
  });

  it('has EXIT repeated until it is acknowledged', async () => {
    const exec = peer.exec('echo done; exit 4');
    exec.replies = false;
    await exec.exit;
    for (let repeats = 2; repeats <= 3; repeats += 1) {
      await reconnect();
      expect(peer.status).toContainEqual({ id: exec.id, state: 'ended', credited: expect.any(BigInt), end: 5n });
      peer.credit(exec, true);
      await exec.until((e) => e.exits === repeats);
    }
    peer.send(DOWN.exitAck, 0, exec.id);
    await reconnect();
    expect(peer.status).toEqual([]);
    expect(exec.stdout).toBe('done\n');
  });

  it('starts a command once, however often START comes', async () => {
    const exec = peer.exec('echo once; read line', { stdin: true });
    await exec.until((e) => e.stdout === 'once\n');
    peer.send(DOWN.start, 0, exec.id, exec.body);
    await reconnect();
    peer.send(DOWN.start, 0, exec.id, exec.body);
    peer.credit(exec, true);
    exec.write('go\n');
    expect((await exec.end()).code).toBe(0);
    expect(exec.stdout).toBe('once\n');
  });

  it('does not hold up a limit', async () => {
    const exec = peer.exec('sleep 1000', { wallMs: 300, graceMs: 100 });
    await exec.started;
    await reconnect();
    expect(peer.status).toMatchObject([{ id: exec.id }]);
    while (peer.status[0]?.state !== 'ended') await reconnect();
    peer.credit(exec, true);
    expect((await exec.end()).reason).toBe('wall');
  });

  it('lets the daemon end what it does not know', async () => {
    const exec = peer.exec('sleep 1000');
    await exec.started;
    await reconnect();
    peer.killTree(exec, 0);
    peer.send(DOWN.exitAck, 0, exec.id);
    while (peer.status.length > 0) await reconnect();
    expect(exec.exits).toBe(0);
  });

  it('counts no limit while the clock is stopped', async () => {
    const exec = peer.exec('sleep 1; echo lived', { wallMs: 500 });
    peer.send(DOWN.clock, 0, 0, Buffer.from([0]));
    expect(await exec.end()).toMatchObject({ code: 0, reason: 'self' });
    peer.send(DOWN.clock, 0, 0, Buffer.from([1]));
  });

  it.each([
    ['an unknown type', Buffer.from([0, 0, 0, 0, 0x7f, 0, 0, 0, 0, 0, 0, 0])],
    ['a header that is not zero where it must be', Buffer.from([0, 0, 0, 0, 0x10, 0, 1, 0, 0, 0, 0, 0])],
    ['a length beyond the bound', Buffer.from([0xff, 0xff, 0xff, 0x7f, 0x02, 0, 0, 0, 1, 0, 0, 0])],
    ['a START without a program', Buffer.concat([Buffer.from([33, 0, 0, 0, 0x02, 0, 0, 0, 9, 9, 0, 0]), Buffer.alloc(33)])],
    ['a second WELCOME', Buffer.concat([Buffer.from([32, 0, 0, 0, 0x01, 0, 0, 0, 0, 0, 0, 0]), Buffer.alloc(32)])],
    ['credit for bytes that were never sent', Buffer.from([8, 0, 0, 0, 0x05, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0])],
  ])('is what init answers to %s, and commands go on', async (_, bytes) => {
    const exec = peer.exec(['cat'], { stdin: true });
    await exec.started;
    bytes.writeUInt32LE(bytes.readUInt8(4) === DOWN.credit ? exec.id : bytes.readUInt32LE(8), 8);
    const connected = peer.connect();
    peer.sendRaw(bytes);
    await connected;
    peer.credit(exec, true);
    exec.write('on', true);
    expect((await exec.end()).code).toBe(0);
    expect(exec.stdout).toBe('on');
  });
});
