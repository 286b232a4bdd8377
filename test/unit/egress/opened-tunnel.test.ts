// TLS that is opened for secrets, end to end on loopback, and the authority that makes it possible.

import { once } from 'node:events';
import { stat } from 'node:fs/promises';
import type { RequestListener } from 'node:http';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { CertificateAuthority } from '../../../daemon/egress/certificate-authority.ts';
import { systemClock } from '../../../daemon/observe/clock.ts';
import { closeHarnesses, type EgressHarness } from '../../support/egress-harness.ts';
import { eventually } from '../../support/eventually.ts';
import { type OpenedWorld, PLACEHOLDER, startOpenedWorld, VALUE } from '../../support/opened-world.ts';

const basic = (text: string): string => `Basic ${Buffer.from(text).toString('base64')}`;

let world: OpenedWorld;

beforeAll(async () => {
  world = await startOpenedWorld();
});
afterEach(() => {
  closeHarnesses();
  world.reset();
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
});

describe('a placeholder', () => {
  test.each<[string, string, string, string]>([
    ['of a bearer', `Authorization: Bearer ${PLACEHOLDER}`, 'authorization', `Bearer ${VALUE}`],
    ['of a field of its own', `X-Api-Key: ${PLACEHOLDER}`, 'x-api-key', VALUE],
    ['of a password', `Authorization: ${basic(`user:${PLACEHOLDER}`)}`, 'authorization', basic(`user:${VALUE}`)],
    ['of a user name', `Authorization: ${basic(`${PLACEHOLDER}:`)}`, 'authorization', basic(`${VALUE}:`)],
    ['of a cookie', `Cookie: a=1; b=${PLACEHOLDER}; c=${PLACEHOLDER}`, 'cookie', `a=1; b=${VALUE}; c=${VALUE}`],
  ])('%s becomes its value towards its host', async (_, field, name, value) => {
    const on = await world.harness();
    expect(await world.ask(on, world.get('/x', field))).toContain('200 OK');
    expect(world.seen.map(({ headers }) => headers[name])).toEqual([value]);
    expect(on.decisions).toMatchObject([{ host: 'api.test', method: 'GET', path: '/x', verdict: 'allow' }]);
    expect(JSON.stringify([on.decisions, on.started])).not.toContain(VALUE);
  });

  test('stays one in the URL and in the body', async () => {
    const on = await world.harness();
    const body = `{"key":"${PLACEHOLDER}"}`;
    world.listener = (incoming, response) => void incoming.pipe(response);
    const got = await world.ask(
      on,
      `${world.request(`POST /x?key=${PLACEHOLDER}`, 'Connection: close', `Content-Length: ${body.length}`)}${body}`,
    );
    expect(got).toContain(body);
    expect(world.seen[0]?.url).toBe(`/x?key=${PLACEHOLDER}`);
  });

  test.each<[string, (on: EgressHarness) => Promise<string>]>([
    [
      'in the clear to its own host',
      (on) =>
        on.talk(
          `GET http://api.test:${world.port}/ HTTP/1.1\r\nHost: api.test:${world.port}\r\nX-Key: ${PLACEHOLDER}\r\nConnection: close\r\n\r\n`,
        ),
    ],
    [
      'in a URL in the clear',
      (on) =>
        on.talk(
          `GET http://other.test:${world.port}/?k=${PLACEHOLDER} HTTP/1.1\r\nHost: other.test:${world.port}\r\nConnection: close\r\n\r\n`,
        ),
    ],
    [
      'in a URL with its letters encoded',
      (on) =>
        on.talk(
          `GET http://other.test:${world.port}/?k=%63loister${PLACEHOLDER.slice(8)} HTTP/1.1\r\nHost: other.test:${world.port}\r\nConnection: close\r\n\r\n`,
        ),
    ],
    [
      'in credentials in the clear',
      (on) =>
        on.talk(
          `GET http://other.test:${world.port}/ HTTP/1.1\r\nHost: other.test:${world.port}\r\nAuthorization: ${basic(`u:${PLACEHOLDER}`)}\r\nConnection: close\r\n\r\n`,
        ),
    ],
    [
      'to a host that is not allowed',
      (on) => on.talk(`GET http://evil.test/ HTTP/1.1\r\nHost: evil.test\r\nX: ${PLACEHOLDER}\r\nConnection: close\r\n\r\n`),
    ],
    [
      'in the head of a tunnel',
      (on) => on.talk(`CONNECT other.test:${world.port} HTTP/1.1\r\nHost: other.test:${world.port}\r\nX: ${PLACEHOLDER}\r\n\r\n`),
    ],
  ])('%s is denied, told of, and reaches nobody', async (_, send) => {
    const on = await world.harness();
    expect(await send(on)).toContain('X-Deny-Reason: secretMisdirected');
    expect(on.decisions).toMatchObject([{ verdict: 'deny', reason: 'secretMisdirected', rule: 'builtin:secret:KEY' }]);
    expect(on.dialled).toEqual([]);
  });

  test('of another host is denied inside of TLS as well', async () => {
    const other = 'cloister-secret-EEEEFFFFGGGGHHHH';
    const on = await world.harness({
      secrets: [
        { name: 'KEY', placeholder: PLACEHOLDER, hosts: [`api.test:${world.port}`], value: VALUE },
        { name: 'OTHER', placeholder: other, hosts: ['other.test'], value: 'other-value' },
      ],
    });
    expect(await world.ask(on, world.get('/', `X: ${other}`))).toContain('secretMisdirected');
    expect(world.seen).toEqual([]);
  });

  test('whose value is no header field is denied', async () => {
    const on = await world.harness({
      secrets: [{ name: 'KEY', placeholder: PLACEHOLDER, hosts: [`api.test:${world.port}`], value: 'a\r\nX-Injected: b' }],
    });
    expect(await world.ask(on, world.get('/', `X: ${PLACEHOLDER}`))).toContain('secretUnusable');
    expect(world.seen).toEqual([]);
  });
});

describe('what a server sends back', () => {
  test.each<[string, RequestListener]>([
    ['in a body', (incoming, response) => response.end(`you said ${incoming.headers['authorization'] ?? ''}!`)],
    [
      'in a body in pieces',
      (_incoming, response) => {
        response.write(`you said Bearer ${VALUE.slice(0, 7)}`);
        setTimeout(() => response.end(`${VALUE.slice(7)}!`), 50);
      },
    ],
    [
      'in a field',
      (incoming, response) => response.writeHead(200, { 'X-Echo': `you said ${incoming.headers['authorization'] ?? ''}!` }).end(),
    ],
  ])('of the value %s does not reach the sandbox', async (_, answer) => {
    world.listener = answer;
    const got = await world.ask(await world.harness(), world.get('/', `Authorization: Bearer ${PLACEHOLDER}`, 'Accept-Encoding: gzip'));
    expect(got.replaceAll(/\r\n[0-9a-f]+\r\n/g, '')).toContain(`you said Bearer ${'*'.repeat(VALUE.length)}!`);
    expect(world.seen[0]?.headers['accept-encoding']).toBe('identity');
  });

  test('is whole and unchanged otherwise, whatever its size', async () => {
    const body = Buffer.from(Array.from({ length: 300_000 }, (_, index) => 65 + (index % 26)));
    world.listener = (_incoming, response) => void response.writeHead(200, { 'Content-Length': body.length }).end(body);
    const got = await world.ask(await world.harness(), world.get('/', `Authorization: Bearer ${PLACEHOLDER}`));
    expect(got.slice(got.indexOf('\r\n\r\n') + 4)).toBe(body.toString());
  });
});

describe('the server of an opened tunnel', () => {
  test('that nobody known vouches for gets nothing', async () => {
    const on = await world.harness({ roots: world.daemon.certificate });
    expect(await world.ask(on, world.get('/', `Authorization: Bearer ${PLACEHOLDER}`))).toContain('502 Bad Gateway');
    expect(on.decisions).toMatchObject([{ reason: 'untrustedServer', verdict: 'allow' }]);
    expect(world.seen).toEqual([]);
  });

  test('that is vouched for under another name gets nothing', async () => {
    const on = await world.harness({
      secrets: [{ name: 'KEY', placeholder: PLACEHOLDER, hosts: [`other.test:${world.port}`], value: VALUE }],
    });
    const tls = await world.secure(on, { host: 'other.test' });
    tls.write(`GET / HTTP/1.1\r\nHost: other.test:${world.port}\r\nX: ${PLACEHOLDER}\r\nConnection: close\r\n\r\n`);
    const [said] = (await once(tls, 'data')) as [Buffer];
    expect(said.toString()).toContain('X-Deny-Reason: untrustedServer');
    expect(world.seen).toEqual([]);
  });

  test('is dialled for no client that does not trust the authority', async () => {
    const on = await world.harness();
    await expect(world.secure(on, { authority: world.servers.certificate })).rejects.toThrow(/certificate/);
    await eventually(
      () => on.decisions.length,
      (count) => count > 0,
    );
    expect(on.decisions).toMatchObject([{ host: 'api.test', reason: 'notTrusted' }]);
    expect(on.dialled).toEqual([]);
  });
});

describe('the authority', () => {
  test('is kept, for its owner only, and another certificate of a host is the same one', async () => {
    const path = join(world.directory, 'daemon.pem');
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect((await CertificateAuthority.open(path, systemClock)).certificate).toBe(world.daemon.certificate);
    expect(await world.daemon.leaf('a.test')).toEqual(await world.daemon.leaf('a.test'));
  });

  test('is made anew before it expires, and so are its certificates', async () => {
    const path = join(world.directory, 'old.pem');
    let now = Date.now();
    const clock = { ...systemClock, now: () => now };
    const old = await CertificateAuthority.open(path, clock);
    const leaf = await old.leaf('a.test');
    now += 6 * 24 * 3_600_000;
    expect((await old.leaf('a.test')).certificates).not.toBe(leaf.certificates);
    now += 3300 * 24 * 3_600_000;
    expect((await CertificateAuthority.open(path, clock)).certificate).not.toBe(old.certificate);
  });
});
