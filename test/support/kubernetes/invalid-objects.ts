// What the Kubernetes API's schemas say of objects: their own rules, as kubernetes-models has them; needs no cluster.

import * as apps from 'kubernetes-models/apps/v1';
import * as autoscaling from 'kubernetes-models/autoscaling/v2';
import * as networking from 'kubernetes-models/networking.k8s.io/v1';
import * as policy from 'kubernetes-models/policy/v1';
import * as core from 'kubernetes-models/v1';
import { keyOf, type KubernetesObject } from './kustomize.ts';

type Model = new (data: unknown) => { validate(): void };
type Group = Readonly<Record<string, unknown>>;

const GROUPS: Readonly<Record<string, Group>> = {
  v1: core,
  'apps/v1': apps,
  'autoscaling/v2': autoscaling,
  'networking.k8s.io/v1': networking,
  'policy/v1': policy,
};

/** Empty: all are valid. */
export function invalidObjects(objects: readonly KubernetesObject[]): string[] {
  return objects.flatMap((object) => {
    const model = GROUPS[object.apiVersion]?.[object.kind];
    if (typeof model !== 'function') return [`${keyOf(object)}: ${object.apiVersion} has no such kind`];
    try {
      new (model as Model)(object).validate();
      return [];
    } catch (error) {
      return [`${keyOf(object)}: ${error instanceof Error ? error.message : String(error)}`];
    }
  });
}
