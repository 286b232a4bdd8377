// Runs a program of examples/adapters/ in this process, against a daemon, and answers what it printed.

import { vi } from 'vitest';

const asText = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));

export async function runExample(name: string, url: string, token: string): Promise<string> {
  const log = vi.spyOn(console, 'log').mockImplementation(() => undefined);
  vi.stubEnv('CLOISTER_URL', url);
  vi.stubEnv('CLOISTER_TOKEN', token);
  try {
    await import(`../../examples/adapters/${name}.ts`);
    return log.mock.calls.map((values) => values.map(asText).join(' ')).join('\n');
  } finally {
    vi.unstubAllEnvs();
    log.mockRestore();
  }
}
