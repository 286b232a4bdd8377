// deploy/kubernetes: every overlay rendered, valid to the API's schemas, whole in itself, and true to the daemon: its configuration,
// its environment, its probes, its metrics.

import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { Routes } from '../../../daemon/admin/routes.ts';
import { engineConfiguration } from '../../../daemon/container/engine/engine-runtimes.ts';
import { loadConfig } from '../../../daemon/load-config.ts';
import type { SessionPool } from '../../../daemon/session/pool.ts';
import { invalidObjects } from '../../support/kubernetes/invalid-objects.ts';
import { KubernetesObject, keyOf, renderKustomization } from '../../support/kubernetes/kustomize.ts';
import { environmentOf, type Members, membersOf } from '../../support/kubernetes/members.ts';
import { unknownFields } from '../../support/kubernetes/unknown-fields.ts';
import { metricsSeries } from '../../support/metrics-series.ts';

const ROOT = 'deploy/kubernetes';
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');
const overlays = readdirSync(join(ROOT, 'overlays'));
const POD_IP = '10.42.0.7';

const Pinned = z.strictObject({ overlay: z.string(), object: KubernetesObject });
const pinned = readFileSync(join(import.meta.dirname, 'kubernetes-rendered.jsonl'), 'utf8')
  .trim()
  .split('\n')
  .map((line) => Pinned.parse(JSON.parse(line)));

const Selecting = z.looseObject({ selector: z.record(z.string(), z.string()) });
const Matching = z.looseObject({ selector: z.looseObject({ matchLabels: z.record(z.string(), z.string()) }) });
const Ports = z.looseObject({
  clusterIP: z.string().optional(),
  ports: z.array(z.looseObject({ name: z.string(), targetPort: z.string() })),
});
const Autoscaler = z.looseObject({
  scaleTargetRef: z.looseObject({ kind: z.string(), name: z.string() }),
  metrics: z.array(
    z.looseObject({
      pods: z.looseObject({ metric: z.looseObject({ name: z.string() }), target: z.looseObject({ averageValue: z.coerce.number() }) }),
    }),
  ),
  behavior: z.looseObject({ scaleDown: z.looseObject({ selectPolicy: z.literal('Disabled') }) }),
});
const Backend = z.object({ service: z.object({ name: z.string(), port: z.object({ name: z.string() }) }) });

const selects = (selector: Readonly<Record<string, string>>, labels: Readonly<Record<string, string>>): boolean =>
  Object.entries(selector).every(([name, value]) => labels[name] === value);
const dataOf = (objects: readonly KubernetesObject[], name: string): Record<string, string> =>
  z.record(z.string(), z.string()).parse(objects.find((object) => keyOf(object) === `ConfigMap ${name}`)?.['data']);

/** What the daemon makes of its file and environment in a pod. */
function configOf(objects: readonly KubernetesObject[], members: Members): ReturnType<typeof loadConfig> {
  const directory = mkdtempSync(join(tmpdir(), 'cl-k8s-'));
  try {
    const file = join(directory, 'cloister.config.json');
    const map = members.spec.template.spec.volumes.find(
      ({ configMap }) => configMap !== undefined && dataOf(objects, configMap.name)['cloister.config.json'] !== undefined,
    );
    writeFileSync(file, dataOf(objects, map?.configMap?.name ?? '')['cloister.config.json'] ?? '');
    return loadConfig({ file, env: environmentOf(members, POD_IP), options: {} });
  } finally {
    rmSync(directory, { recursive: true });
  }
}

describe.each(overlays)('overlay %s', (overlay) => {
  const objects = renderKustomization(join(ROOT, 'overlays', overlay));
  const ofKind = (kind: string): KubernetesObject[] => objects.filter((object) => object.kind === kind);

  test('is what kustomize itself makes of it (write-rendered.ts asks it)', () => {
    const theirs = pinned.filter((line) => line.overlay === overlay).map(({ object }) => object);
    expect(objects).toEqual(theirs.toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1)));
  });

  test("is valid by the API's schemas", () => {
    expect(invalidObjects(objects)).toEqual([]);
  });

  test('selects its own pods, by labels that tell the two kinds of members apart', () => {
    const members = membersOf(objects);
    const labelsOf = ({ spec }: Members) => spec.template.metadata.labels;
    for (const one of members)
      expect(members.filter((other) => selects(one.spec.selector.matchLabels, labelsOf(other))).map(keyOf)).toEqual([keyOf(one)]);
    const selectors = [
      ...ofKind('Service').map(({ spec }) => Selecting.parse(spec).selector),
      ...ofKind('PodDisruptionBudget').map(({ spec }) => Matching.parse(spec).selector.matchLabels),
      ...ofKind('NetworkPolicy').map(
        ({ spec }) => Matching.parse({ selector: (spec as { podSelector: unknown }).podSelector }).selector.matchLabels,
      ),
    ];
    for (const selector of selectors) expect(members.every((one) => selects(selector, labelsOf(one)))).toBe(true);
  });

  test('refers to nothing that is not there', () => {
    const members = membersOf(objects);
    const services = new Map(ofKind('Service').map((service) => [service.metadata.name, Ports.parse(service['spec'])]));
    for (const { spec } of members) {
      expect(services.get(spec.serviceName)?.clusterIP).toBe('None');
      const { volumes, containers, initContainers } = spec.template.spec;
      const names = [...volumes, ...spec.volumeClaimTemplates.map(({ metadata }) => metadata)].map(({ name }) => name);
      for (const { volumeMounts } of [...containers, ...initContainers])
        expect(volumeMounts.filter(({ name }) => !names.includes(name))).toEqual([]);
      const ports = containers[0].ports.map(({ name }) => name);
      for (const service of services.values()) expect(service.ports.filter(({ targetPort }) => !ports.includes(targetPort))).toEqual([]);
      for (const { configMap } of volumes) if (configMap !== undefined) expect(dataOf(objects, configMap.name)).not.toEqual({});
      const secrets = [
        ...volumes.map(({ secret }) => secret?.secretName),
        ...containers[0].env.map(({ valueFrom }) => valueFrom?.secretKeyRef?.name),
      ].filter((name) => name !== undefined);
      expect(secrets.filter((name) => !read('README.md').includes(`\`${name}\``))).toEqual([]);
    }
    const backends = z.array(Backend).parse(
      ofKind('Ingress')
        .flatMap(({ spec }) => JSON.stringify(spec).match(/"backend":(\{.*?\}\}\})/g) ?? [])
        .map((text) => JSON.parse(text.slice('"backend":'.length)) as unknown),
    );
    for (const { service } of backends) expect(services.get(service.name)?.ports.map(({ name }) => name)).toContain(service.port.name);
    for (const { spec } of ofKind('HorizontalPodAutoscaler')) {
      const { kind, name } = Autoscaler.parse(spec).scaleTargetRef;
      expect(objects.map(keyOf)).toContain(`${kind} ${name}`);
    }
  });

  test('starts the daemon with a configuration that it takes, on paths and ports that the pod has', () => {
    for (const members of membersOf(objects)) {
      const config = configOf(objects, members);
      const { containers, initContainers, terminationGracePeriodSeconds, enableServiceLinks, shareProcessNamespace } =
        members.spec.template.spec;
      const [{ ports, volumeMounts }] = containers;
      const portOf = (name: string): string => `${POD_IP}:${ports.find((port) => port.name === name)?.containerPort}`;
      expect([config.listen, config.ports.listen, config.telemetry.metricsListen]).toEqual([
        portOf('api'),
        portOf('previews'),
        portOf('metrics'),
      ]);
      const mounted = (path: string | undefined): boolean =>
        volumeMounts.some(({ mountPath }) => path === mountPath || path?.startsWith(`${mountPath}/`) === true);
      expect([config.stateDir, config.auth.keys, config.engine.socketPath].map(mounted)).toEqual([true, true, true]);
      expect(initContainers[0].args).toContain(`--host=unix://${config.engine.socketPath}`);
      expect(initContainers[0].volumeMounts.map(({ mountPath }) => mountPath)).toContain(config.stateDir);
      expect(config.drainMs + 10_000).toBeLessThan(terminationGracePeriodSeconds * 1000);
      // What may be granted in sum is what the scheduler has kept free.
      expect(initContainers[0].resources.requests.memory).toBe(`${(config.ceilings.host.memoryBytes ?? 0) / 1024 ** 3}Gi`);
      expect({ onExit: config.onExit, enableServiceLinks, shareProcessNamespace }).toEqual({
        onExit: 'close',
        enableServiceLinks: false,
        shareProcessNamespace: true,
      });
    }
  });

  test('probes routes that there are', async () => {
    const routes = new Routes({ pool: { isAccepting: true } as SessionPool, notReady: async () => [], version: '1' });
    for (const { spec } of membersOf(objects)) {
      const [{ startupProbe, livenessProbe, readinessProbe, ports }] = spec.template.spec.containers;
      for (const probe of [startupProbe, livenessProbe]) {
        expect(ports.map(({ name }) => name)).toContain(probe?.httpGet?.port);
        const asked = { url: probe?.httpGet?.path, method: 'GET', headers: {} } as IncomingMessage;
        expect(await routes.answer(asked, null)).toMatchObject({ status: 200 });
      }
      expect(readinessProbe?.exec?.command.slice(0, 2)).toEqual(['node', '/etc/cloister/ready.mjs']);
    }
    expect(routes.table.map(({ path }) => path)).toContain('/readyz');
    expect(read('member/ready.mjs')).toContain("path: '/readyz'");
  });

  test('scales on a metric that the daemon exports, up alone, before members are full', async () => {
    const series = await metricsSeries();
    for (const { spec } of ofKind('HorizontalPodAutoscaler')) {
      for (const { pods } of Autoscaler.parse(spec).metrics) {
        expect(series).toContain(pods.metric.name);
        const [members] = membersOf(objects);
        expect(pods.target.averageValue).toBeLessThanOrEqual(0.8 * configOf(objects, members!).pool.maxSessions);
      }
    }
  });

  test('is in the guide', () => {
    expect(read('README.md')).toContain(`overlays/${overlay}`);
  });
});

test('no overlay has a field that the API does not know, which a cluster would leave out without a word; a mistyped one is found', () => {
  const mistyped = { apiVersion: 'v1', kind: 'Service', metadata: { name: 'x' }, spec: { sesionAffinity: 'ClientIP' } };
  const all = overlays.flatMap((overlay) => renderKustomization(join(ROOT, 'overlays', overlay)));
  expect(unknownFields([...all, mistyped])).toEqual([expect.stringContaining('sesionAffinity')]);
});

test('a value of another kind and a kind that does not exist are invalid', () => {
  const service = { apiVersion: 'v1', kind: 'Service', metadata: { name: 'x' }, spec: { ports: 'api' } };
  const budgets = { apiVersion: 'policy/v1', kind: 'PodDisruptionBudgets', metadata: { name: 'x' } };
  expect(invalidObjects([service, budgets]).join()).toMatch(/Service x: .*ports.*PodDisruptionBudgets x: policy\/v1 has no such kind/s);
});

test('each elevated right of a pod has its reason above it', () => {
  const lines = read('member/stateful-set.yaml').split('\n');
  const elevated = lines.flatMap((line, at) =>
    /privileged: true|hostPath:|runAsUser: 0|shareProcessNamespace|Bidirectional|HostToContainer/.test(line) && !line.trim().startsWith('#')
      ? [at]
      : [],
  );
  expect(elevated.length).toBeGreaterThan(7);
  const unexplained = elevated.filter((at) => !lines.slice(Math.max(0, at - 4), at).some((line) => line.trim().startsWith('#')));
  expect(unexplained.map((at) => lines[at])).toEqual([]);
});

test('a Service of that name would stop the daemon by the variables it sets, so pods get none', () => {
  const linked = () => loadConfig({ file: undefined, env: { CLOISTER_SERVICE_HOST: '10.0.0.1' }, options: {} });
  expect(linked).toThrow('CLOISTER_SERVICE_HOST: no such key');
});

test('gVisor is started as the private engine starts it', () => {
  const theirs = JSON.parse(engineConfiguration({ runsc: '/usr/local/bin/runsc', crun: null })) as { runtimes: { runsc: unknown } };
  expect(JSON.parse(read('overlays/gvisor/daemon.json'))).toEqual({ runtimes: { runsc: theirs.runtimes.runsc } });
});

describe('the readiness probe', () => {
  const directory = mkdtempSync(join(tmpdir(), 'cl-k8s-ready-'));
  const socket = join(directory, 'api.sock');
  let status = 200;
  const server = createServer((request, response) => {
    const isAsked = request.url === '/readyz' && request.headers.authorization === 'Bearer the-token';
    response.writeHead(isAsked ? status : 401).end('{}');
  });
  beforeAll(async () => {
    writeFileSync(join(directory, 'token'), 'the-token\n');
    server.listen(socket);
    await once(server, 'listening');
  });
  afterAll(() => {
    server.close();
    rmSync(directory, { recursive: true });
  });
  const probe = (at: string): Promise<number> =>
    new Promise((resolve) => {
      execFile(process.execPath, [join(ROOT, 'member/ready.mjs'), at, join(directory, 'token')], (error) =>
        resolve(Number(error?.code ?? 0)),
      );
    });

  test('succeeds where the daemon is ready, and only there', async () => {
    expect(await probe(socket)).toBe(0);
    status = 503;
    expect(await probe(socket)).toBe(1);
    expect(await probe(join(directory, 'nobody.sock'))).not.toBe(0);
  });
});
