// A strategic merge of Kubernetes objects: maps merge, lists of things with a name merge by it, other lists are replaced. Pure.

/** Lists that merge, with the field that tells their entries apart; of those that deploy/kubernetes patches. */
const MERGE_KEYS: Readonly<Record<string, string>> = {
  containers: 'name',
  initContainers: 'name',
  env: 'name',
  volumes: 'name',
  volumeMounts: 'mountPath',
};

type Fields = Readonly<Record<string, unknown>>;
const isFields = (value: unknown): value is Fields => typeof value === 'object' && value !== null && !Array.isArray(value);

export function mergePatch(target: unknown, patch: unknown, field = ''): unknown {
  if (Array.isArray(patch) && Array.isArray(target)) return mergeLists(target, patch, field);
  if (!isFields(patch) || !isFields(target)) return patch;
  if (Object.keys(patch).some((key) => key.startsWith('$'))) throw new Error(`Cannot merge ${field}: directives are not understood here`);
  const merged = Object.entries(patch).map(([key, value]) => [key, key in target ? mergePatch(target[key], value, key) : value] as const);
  return Object.fromEntries(Object.entries({ ...target, ...Object.fromEntries(merged) }).filter(([, value]) => value !== null));
}

/** Entries that the target lacks come first, as kustomize has them. */
function mergeLists(target: readonly unknown[], patch: readonly unknown[], field: string): unknown[] {
  const key = MERGE_KEYS[field];
  if (key === undefined) {
    if ([...target, ...patch].some(isFields)) throw new Error(`Cannot merge ${field}: what tells its entries apart is not known here`);
    return [...patch];
  }
  const keyOf = (entry: unknown): unknown => (isFields(entry) ? entry[key] : undefined);
  const known = target.map((entry) => {
    const change = patch.find((candidate) => keyOf(candidate) === keyOf(entry));
    return change === undefined ? entry : mergePatch(entry, change, field);
  });
  return [...patch.filter((entry) => target.every((candidate) => keyOf(candidate) !== keyOf(entry))), ...known];
}
