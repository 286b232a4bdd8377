// Figures and traces of a real daemon: what Prometheus reads, who may, and what a trace receiver gets.

import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { PassThrough } from 'node:stream';
import { json } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { eventually } from '../support/eventually.ts';
import { startTestDaemon, type TestDaemon } from '../support/test-daemon.ts';

const TRACE_ID = '4bf92f3577b34da6a3ce929d0e0e4736';
const TRACE_PARENT = `00-${TRACE_ID}-00f067aa0ba902b7-01`;

const Attribute = z.object({
  key: z.string(),
  value: z.object({
    stringValue: z.string().optional(),
    doubleValue: z.number().optional(),
    intValue: z.union([z.number(), z.string()]).optional(),
  }),
});
const Span = z.object({
  traceId: z.string(),
  spanId: z.string(),
  parentSpanId: z.string().optional(),
  name: z.string(),
  attributes: z.array(Attribute),
  status: z.object({ code: z.int().optional() }),
});
const Export = z.object({ resourceSpans: z.array(z.object({ scopeSpans: z.array(z.object({ spans: z.array(Span) })) })) });
type Span = z.infer<typeof Span>;

let receiver: Server;
let daemon: TestDaemon;
let metricsUrl: string;
const spans: Span[] = [];

beforeAll(async () => {
  receiver = createServer((request, response) => {
    void json(request).then((body) => {
      for (const { scopeSpans } of Export.parse(body).resourceSpans) for (const scope of scopeSpans) spans.push(...scope.spans);
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    });
  }).listen(0, '127.0.0.1');
  await once(receiver, 'listening');
  const log = new PassThrough();
  let said = '';
  log.on('data', (part: Buffer) => (said += part.toString()));
  daemon = await startTestDaemon({
    log,
    config: {
      telemetry: {
        otlpUrl: `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/v1/traces`,
        metricsListen: '127.0.0.1:0',
        channels: ['canary'],
      },
    },
  });
  metricsUrl = /"address":"(http[^"]+)"/.exec(said)?.[1] ?? '';
});
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  receiver.close();
});

const scrape = async (url = metricsUrl): Promise<string> => (await fetch(url)).text();

test('what is done in a session is counted, and promtool has nothing to say against how', async () => {
  const cloister = await daemon.connect('acme', { traceparent: TRACE_PARENT });
  const sandbox = await cloister.open({ session: 'figures', labels: { channel: 'canary' } });
  expect((await sandbox.exec('echo hello')).outcome).toBe('exited');
  expect((await sandbox.exec('sleep 60', { timeoutMs: 100 })).outcome).toBe('timedOut');
  await sandbox.files.write('a.txt', 'x');
  await expect(sandbox.files.read('none')).rejects.toThrow('none');
  await expect(cloister.open({ session: 'refused', image: 'unknown' })).rejects.toThrow('unknown');
  const text = await eventually(scrape, (now) => now.includes('outcome="timedOut"'));
  for (const line of [
    'cloister_sandboxes{state="running"} 1',
    'cloister_tenant_sandboxes{tenant="acme"} 1',
    'cloister_opens_total{start="cold",outcome="done",tenant="acme",channel="canary"} 1',
    'cloister_execs_total{outcome="exited",tenant="acme",channel="canary"} 1',
    'cloister_execs_total{outcome="timedOut",tenant="acme",channel="canary"} 1',
    'cloister_open_seconds_count{start="cold"} 1',
    'cloister_exec_overhead_seconds_count 1',
    'cloister_exec_output_bytes_total{tenant="acme"} 6',
    'cloister_file_seconds_count{operation="files.write"} 1',
    'cloister_calls_total{operation="files.read",code="FILE_NOT_FOUND"} 1',
    'cloister_calls_total{operation="open",code="IMAGE_NOT_ALLOWED"} 1',
    'cloister_denials_total{code="IMAGE_NOT_ALLOWED"} 1',
    'cloister_engine_up 1',
    'cloister_connections 1',
  ])
    expect(text.split('\n')).toContain(line);
  expect(text).toMatch(/^cloister_disk_free_bytes\{disk="workspaces"\} [1-9]/m);
  expect(text).toMatch(/^process_resident_memory_bytes [1-9]\d{7}/m);
  execFileSync('promtool', ['check', 'metrics'], { input: text });
});

test('a trace has the calls of its connection, and the record of a command names the span', async () => {
  const cloister = await daemon.connect('acme', { traceparent: TRACE_PARENT });
  const sandbox = await cloister.open({ session: 'figures', role: 'participant' });
  const other = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;
  const result = await sandbox.exec('exit 3', { id: 'traced', traceparent: other });
  expect(result.exitCode).toBe(3);
  const isOfTraced = ({ attributes }: Span): boolean =>
    attributes.some(({ key, value }) => key === 'cloister.exec' && value.stringValue === 'traced');
  const found = await eventually(
    () => spans.find(isOfTraced),
    (span) => span !== undefined,
    20_000,
  );
  expect(found).toMatchObject({ traceId: 'a'.repeat(32), parentSpanId: 'b'.repeat(16), name: 'exec.start' });
  expect(found?.attributes).toContainEqual({ key: 'cloister.outcome', value: { stringValue: 'exited' } });
  const opened = spans.filter(({ name, traceId }) => name === 'open' && traceId === TRACE_ID);
  expect(opened.map(({ parentSpanId }) => parentSpanId)).toContain('00f067aa0ba902b7');
  expect(opened.some(({ status }) => status.code === 2)).toBe(true);
  const audit = await fetch(new URL('/v1/audit?call=traced', daemon.url.replace('ws', 'http')), {
    headers: { authorization: `Bearer ${await daemon.token('acme')}` },
  });
  expect(await audit.text()).toContain(`"traceparent":"00-${'a'.repeat(32)}-${found?.spanId}-01"`);
});

test('with a token the figures are for operators, and reading is enough', async () => {
  const url = new URL('/metrics', daemon.url.replace('ws', 'http'));
  const statusOf = async (token: string | null): Promise<number> =>
    (await fetch(url, token === null ? {} : { headers: { authorization: `Bearer ${token}` } })).status;
  expect(
    await Promise.all([
      statusOf(null),
      statusOf(await daemon.token('acme')),
      statusOf(await daemon.token('acme', { role: 'observer' })),
      statusOf(await daemon.token(null, { role: 'operator', isReadOnly: true })),
    ]),
  ).toEqual([401, 403, 403, 200]);
});

test('the address without a token serves figures and nothing else', async () => {
  const at = (path: string, init: RequestInit = {}): Promise<number> => fetch(new URL(path, metricsUrl), init).then(({ status }) => status);
  expect(await Promise.all([at('/metrics'), at('/'), at('/v1/sandboxes'), at('/healthz'), at('/metrics', { method: 'POST' })])).toEqual([
    200, 404, 404, 404, 404,
  ]);
});
