// Renders a kustomization as kustomize does, for the part of it that deploy/kubernetes uses; a field beyond that part is refused, so
// nothing is rendered otherwise than there. What kustomize itself made of the same files is kept beside the test, to compare.

import { readFileSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { parse, parseAllDocuments } from 'yaml';
import { z } from 'zod';
import { mergePatch } from './merge-patch.ts';

/** As Kubernetes reads it: 0400 is octal. */
const YAML = { version: '1.1' } as const;

const Kustomization = z.strictObject({
  apiVersion: z.string(),
  kind: z.enum(['Kustomization', 'Component']),
  namespace: z.string().optional(),
  nameSuffix: z.string().optional(),
  resources: z.array(z.string()).default([]),
  components: z.array(z.string()).default([]),
  configMapGenerator: z.array(z.strictObject({ name: z.string(), files: z.array(z.string()) })).default([]),
  generatorOptions: z.strictObject({ disableNameSuffixHash: z.literal(true) }).optional(),
  patches: z
    .array(z.strictObject({ path: z.string(), target: z.strictObject({ kind: z.string(), name: z.string().optional() }) }))
    .default([]),
});
type Kustomization = z.infer<typeof Kustomization>;

export const KubernetesObject = z.looseObject({
  apiVersion: z.string(),
  kind: z.string(),
  metadata: z.looseObject({ name: z.string(), namespace: z.string().optional() }),
});
export type KubernetesObject = z.infer<typeof KubernetesObject>;

/** The objects of a directory with a kustomization.yaml, by kind and name. */
export function renderKustomization(directory: string): KubernetesObject[] {
  return rendered(directory, []).toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
}

export const keyOf = ({ kind, metadata }: KubernetesObject): string => `${kind} ${metadata.name}`;

/** `before`: what a component is applied to. */
function rendered(directory: string, before: readonly KubernetesObject[]): KubernetesObject[] {
  const own = Kustomization.parse(parse(readFileSync(join(directory, 'kustomization.yaml'), 'utf8'), YAML));
  const resources = own.resources.flatMap((path) => resourcesOf(join(directory, path)));
  const generated = own.configMapGenerator.map((made) => configMap(directory, made));
  let objects = [...before, ...resources, ...generated];
  for (const path of own.components) objects = rendered(join(directory, path), objects);
  for (const { path, target } of own.patches) {
    const patch = KubernetesObject.parse(parse(readFileSync(join(directory, path), 'utf8'), YAML));
    const isMeant = ({ kind, metadata }: KubernetesObject) => kind === target.kind && (target.name ?? metadata.name) === metadata.name;
    if (!objects.some(isMeant)) throw new Error(`Cannot patch with ${directory}/${path}: nothing is its target`);
    objects = objects.map((object) => (isMeant(object) ? patched(object, patch) : object));
  }
  return objects.map((object) => placed(object, own, objects));
}

function resourcesOf(path: string): KubernetesObject[] {
  if (statSync(path).isDirectory()) return rendered(path, []);
  return parseAllDocuments(readFileSync(path, 'utf8'), YAML).map((document) => KubernetesObject.parse(document.toJS()));
}

function configMap(directory: string, { name, files }: { readonly name: string; readonly files: readonly string[] }): KubernetesObject {
  const data = Object.fromEntries(files.map((file) => [basename(file), readFileSync(join(directory, file), 'utf8')]));
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data };
}

/** What a patch calls the object says nothing: its target is named beside it. */
const patched = (object: KubernetesObject, { metadata: _name, ...patch }: KubernetesObject): KubernetesObject =>
  KubernetesObject.parse(mergePatch(object, patch));

function placed(object: KubernetesObject, { namespace, nameSuffix }: Kustomization, all: readonly KubernetesObject[]): KubernetesObject {
  let result = object;
  if (nameSuffix !== undefined) {
    const maps = all.filter(({ kind }) => kind === 'ConfigMap').map(({ metadata }) => metadata.name);
    const renamed = KubernetesObject.parse(withReferences(object, maps, nameSuffix));
    result = { ...renamed, metadata: { ...renamed.metadata, name: `${object.metadata.name}${nameSuffix}` } };
  }
  if (namespace !== undefined && object.kind !== 'Namespace') result = { ...result, metadata: { ...result.metadata, namespace } };
  return result;
}

/** Volumes name the ConfigMaps that are renamed with them. */
function withReferences(value: unknown, maps: readonly string[], suffix: string): unknown {
  if (Array.isArray(value)) return value.map((part) => withReferences(part, maps, suffix));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, part]: [string, unknown]) => {
      const named = key === 'configMap' ? z.looseObject({ name: z.string() }).safeParse(part) : null;
      if (named?.success === true && maps.includes(named.data.name)) return [key, { ...named.data, name: `${named.data.name}${suffix}` }];
      return [key, withReferences(part, maps, suffix)];
    }),
  );
}
