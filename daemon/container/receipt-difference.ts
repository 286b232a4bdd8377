// One difference between what was granted and what is, and how a field is compared. Knows no field.

export interface Difference {
  /** Where it was seen and what: `inspect.HostConfig.Memory`, `kernel.uid`, `init.pid`. */
  readonly field: string;
  readonly expected: string;
  readonly actual: string;
}

const MAX_SHOWN = 200;
const show = (value: unknown): string => {
  if (value === undefined) return 'absent';
  return (typeof value === 'string' ? value : JSON.stringify(value, finite)).slice(0, MAX_SHOWN);
};
/** JSON has no Infinity and no NaN; as null they would compare equal. */
const finite = (_: string, value: unknown): unknown => (typeof value === 'number' && !Number.isFinite(value) ? String(value) : value);

/** A difference unless both are the same data. */
export function compare(field: string, expected: unknown, actual: unknown): Difference[] {
  const [wanted, found] = [JSON.stringify(expected, finite), JSON.stringify(actual, finite)];
  return wanted === found ? [] : [{ field, expected: show(expected), actual: show(actual) }];
}

/** A difference unless `holds`. */
export function demand(field: string, holds: boolean, expected: string, actual: unknown): Difference[] {
  return holds ? [] : [{ field, expected, actual: show(actual) }];
}

/** Compares two lists as sets. */
export function compareSets(field: string, expected: readonly string[], actual: readonly string[]): Difference[] {
  return compare(field, [...expected].sort(), [...actual].sort());
}
