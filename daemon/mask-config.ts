// The configuration as it may be shown: what could be a secret is not in it. Pure.

const SECRET_KEY = /(password|secret|token|credential|^key$|privatekey)/i;
const URL_SECRET = /^([a-z][a-z0-9+.-]*:\/\/)[^/@\s]+@/i;
const MASK = '[masked]';

export function maskedConfig(config: object): Record<string, unknown> {
  // Safe because: the mask of an object is an object with the same keys.
  return mask(config, '') as Record<string, unknown>;
}

function mask(value: unknown, key: string): unknown {
  if (typeof value === 'string') return SECRET_KEY.test(key) && !value.startsWith('/') ? MASK : value.replace(URL_SECRET, `$1${MASK}@`);
  if (Array.isArray(value)) return value.map((part) => mask(part, key));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, mask(part, name)]));
}
