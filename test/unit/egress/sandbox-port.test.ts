import { afterEach, describe, expect, test } from 'vitest';
import { connectSocket } from '../../../daemon/egress/dial.ts';
import { closeHarnesses, egressHarness as harness, listen } from '../../support/egress-harness.ts';
import { clientHello, serverNameExtension } from '../../support/egress-hello.ts';
import { eventually } from '../../support/eventually.ts';

afterEach(closeHarnesses);

const tunnelTo = (port: number, rest = ''): string => `CONNECT echo.test:${port} HTTP/1.1\r\nHost: echo.test:${port}\r\n\r\n${rest}`;

describe("a sandbox's connections", () => {
  test('carry bytes to the address that was judged, and to no other', async () => {
    const { talk, echo, dialled } = await harness();
    expect(await talk(tunnelTo(echo, 'ping'), 'ping')).toContain('200 Connection Established\r\n\r\nping');
    expect(dialled).toEqual([`127.0.0.1:${echo}`]);
  });

  test('are dropped when they lead to another address than the one that was judged', async () => {
    const elsewhere = await listen((socket) => socket.end('elsewhere'));
    const { talk, echo } = await harness({
      addresses: ['93.184.216.34'],
      connect: (_address, _port, signal) => connectSocket('127.0.0.1', elsewhere, signal),
    });
    const said = await talk(tunnelTo(echo, 'ping'));
    expect(said).toContain('502 Bad Gateway');
    expect(said).not.toContain('elsewhere');
  });

  test('end when they rest for too long, and when they last for too long', async () => {
    for (const limits of [{ idleMs: 100 }, { lifetimeMs: 1000, idleMs: 60_000 }]) {
      const { talk, echo, decisions } = await harness({ limits });
      await talk(tunnelTo(echo, 'ping'));
      await eventually(
        () => decisions.length,
        (count) => count > 0,
      );
      expect(decisions).toMatchObject([{ verdict: 'allow', bytesUp: 4, bytesDown: 4 }]);
    }
  });

  test('beyond the limit are closed, and told of', async () => {
    const { talk, echo, decisions } = await harness({ limits: { connections: 1 } });
    await talk(tunnelTo(echo, 'ping'), 'ping');
    expect(await talk(tunnelTo(echo, 'ping'))).toBe('');
    expect(decisions).toMatchObject([{ verdict: 'deny', reason: 'limitReached', rule: 'builtin:connections' }]);
  });

  test('beyond the rate are refused', async () => {
    const { talk, echo } = await harness({ limits: { requestsPerSecond: 1 } });
    const answers = [await talk(tunnelTo(echo, 'ping'), 'ping'), await talk(tunnelTo(echo, 'ping'), 'ping'), await talk(tunnelTo(echo))];
    expect(answers[2]).toContain('429 Too Many Requests');
  });

  test('are cut when the sandbox has used up its bytes, and there are no further ones', async () => {
    const { talk, echo, decisions } = await harness({ limits: { bytesUp: 1000 } });
    await talk(tunnelTo(echo, 'x'.repeat(100_000)));
    await eventually(
      () => decisions.length,
      (count) => count > 0,
    );
    expect(decisions).toMatchObject([{ verdict: 'deny', reason: 'bytesExhausted' }]);
    expect(await talk(tunnelTo(echo))).toContain('X-Deny-Reason: bytesExhausted');
  });

  test('that a new policy does not allow are cut at once', async () => {
    const { talk, echo, decisions, port } = await harness();
    const over = talk(tunnelTo(echo, 'ping'));
    await talk(tunnelTo(echo, 'up'), 'up');
    port.setPolicy({ mode: 'allowlist', allow: [], deny: [], ask: [] }, []);
    expect(await over).toContain('ping');
    await eventually(
      () => decisions.length,
      (count) => count === 2,
    );
    expect(decisions).toMatchObject([
      { verdict: 'deny', reason: 'policyChanged' },
      { verdict: 'deny', reason: 'policyChanged' },
    ]);
  });
});

test('of a sandbox that closes every connection is over and told of, with its bytes, at once', async () => {
  const { talk, echo, decisions, started, port } = await harness();
  await talk(tunnelTo(echo, 'ping'), 'ping');
  await talk(tunnelTo(echo, 'up'), 'up');
  port.close();
  const told = decisions.map(({ verdict, reason, bytesUp }) => `${verdict} ${reason} ${bytesUp}`);
  expect(told.sort()).toEqual(['allow allowed 2', 'allow allowed 4']);
  await eventually(
    () => port.load.connections,
    (connections) => connections === 0,
  );
  expect([decisions.length, started.length, port.load]).toEqual([2, 2, { connections: 0, attempts: 0 }]);
});

describe('a tunnel to 443', () => {
  const begin = Buffer.from(tunnelTo(443));
  test.each<[string, Buffer, string, number]>([
    ['that names its host is dialled', clientHello({ extensions: [serverNameExtension('Echo.test')] }), 'unreachable', 1],
    ['that names another host is not', clientHello({ extensions: [serverNameExtension('other.test')] }), 'nameMismatch', 0],
    ['that names an address is not', clientHello({ extensions: [serverNameExtension('127.0.0.1')] }), 'nameMismatch', 0],
    ['that names nobody is not', clientHello({ extensions: [] }), 'nameMismatch', 0],
    [
      'that names its host twice is not',
      clientHello({ extensions: [serverNameExtension('echo.test'), serverNameExtension('echo.test')] }),
      'notTls',
      0,
    ],
    ['that carries something else is not', Buffer.from('SSH-2.0-x\r\n'), 'notTls', 0],
  ])('%s', async (_, first, reason, dials) => {
    const { talk, decisions, dialled } = await harness({ connect: () => Promise.reject(new Error('nobody there')) });
    expect(await talk(Buffer.concat([begin, first]))).toContain('200 Connection Established');
    await eventually(
      () => decisions.length,
      (count) => count > 0,
    );
    expect(decisions).toMatchObject([{ host: 'echo.test', port: 443, reason }]);
    expect(dialled).toHaveLength(dials);
  });

  test('to another port may speak TLS, but only to its own host', async () => {
    const { talk, echo, decisions } = await harness();
    const hello = clientHello({ extensions: [serverNameExtension('other.test')] });
    expect(await talk(Buffer.concat([Buffer.from(tunnelTo(echo)), hello]))).not.toContain('other.test');
    await eventually(
      () => decisions.length,
      (count) => count > 0,
    );
    expect(decisions).toMatchObject([{ verdict: 'deny', reason: 'nameMismatch' }]);
  });
});
