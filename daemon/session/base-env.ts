// The environment every command starts from: the image's own, then what a confined user needs. Never the daemon's. Pure.

import { EnvName } from '../../client/protocol/exec.ts';

const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** `imageEnv` is NAME=value text of the image; names that the loader obeys are dropped. */
export function baseEnv(imageEnv: readonly string[]): Record<string, string> {
  const env: Record<string, string> = { PATH: DEFAULT_PATH, LANG: 'C.UTF-8' };
  for (const entry of imageEnv) {
    const at = entry.indexOf('=');
    const name = entry.slice(0, at);
    if (at > 0 && EnvName.safeParse(name).success) env[name] = entry.slice(at + 1);
  }
  return { ...env, HOME: '/tmp/home', TMPDIR: '/tmp', USER: 'sandbox', LOGNAME: 'sandbox' };
}
