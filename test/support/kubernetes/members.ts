// A rendered StatefulSet of members, as far as the tests look at it.

import { z } from 'zod';
import { KubernetesObject } from './kustomize.ts';

const Labels = z.record(z.string(), z.string());
const Probe = z.looseObject({
  httpGet: z.looseObject({ path: z.string(), port: z.string() }).optional(),
  exec: z.looseObject({ command: z.array(z.string()) }).optional(),
});
const Container = z.looseObject({
  name: z.string(),
  args: z.array(z.string()).default([]),
  ports: z.array(z.looseObject({ name: z.string(), containerPort: z.int() })).default([]),
  env: z
    .array(
      z.looseObject({
        name: z.string(),
        value: z.string().optional(),
        valueFrom: z.looseObject({ secretKeyRef: z.looseObject({ name: z.string() }).optional() }).optional(),
      }),
    )
    .default([]),
  resources: z.looseObject({ requests: z.looseObject({ memory: z.string() }) }),
  volumeMounts: z.array(z.looseObject({ name: z.string(), mountPath: z.string() })).default([]),
  startupProbe: Probe.optional(),
  livenessProbe: Probe.optional(),
  readinessProbe: Probe.optional(),
});

const Members = KubernetesObject.extend({
  kind: z.literal('StatefulSet'),
  spec: z.looseObject({
    serviceName: z.string(),
    selector: z.looseObject({ matchLabels: Labels }),
    template: z.looseObject({
      metadata: z.looseObject({ labels: Labels }),
      spec: z.looseObject({
        enableServiceLinks: z.boolean(),
        shareProcessNamespace: z.boolean(),
        terminationGracePeriodSeconds: z.int(),
        initContainers: z.tuple([Container]),
        containers: z.tuple([Container]),
        volumes: z.array(
          z.looseObject({
            name: z.string(),
            configMap: z.looseObject({ name: z.string() }).optional(),
            secret: z.looseObject({ secretName: z.string() }).optional(),
          }),
        ),
      }),
    }),
    volumeClaimTemplates: z.array(z.looseObject({ metadata: z.looseObject({ name: z.string() }) })),
  }),
});
export type Members = z.infer<typeof Members>;

export const membersOf = (objects: readonly KubernetesObject[]): Members[] =>
  objects.filter(({ kind }) => kind === 'StatefulSet').map((object) => Members.parse(object));

/** The daemon's environment in a pod with this address; what comes from Secrets has a value that stands for one. */
export function environmentOf({ spec }: Members, podIp: string): Record<string, string> {
  const [{ env }] = spec.template.spec.containers;
  return Object.fromEntries(
    env
      .filter(({ name }) => name.startsWith('CLOISTER_'))
      .map(({ name, value }) => [name, value?.replaceAll('$(POD_IP)', podIp) ?? 'redis://redis.example.com:6379']),
  );
}
