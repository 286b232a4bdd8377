import { randomBytes } from 'node:crypto';
import { spawn } from 'node:child_process';
import { chmod, chown, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pino } from 'pino';
import { ControlListener } from '../../../../daemon/link/control-listener.ts';
import type { Nonces } from '../../../../daemon/link/control-listener.ts';
import { SandboxLink } from '../../../../daemon/link/sandbox-link.ts';
import { systemClock } from '../../../../daemon/observe/clock.ts';
import { linkContract } from '../../../contract/link-contract.ts';
import type { LinkHarness } from '../../../contract/link-contract.ts';
const log = pino({ level: 'silent' });
async function real(): Promise<LinkHarness> {
  const dir = await mkdtemp('/tmp/lk/real-');
  await chmod(dir, 0o755);
  for (const d of ['root', 'run', 'ws']) await mkdir(join(dir, d), { mode: 0o755 });
  await chown(join(dir, 'ws'), 200001, 200001);
  const nonce = randomBytes(32);
  await writeFile(join(dir, 'run/nonce'), nonce, { mode: 0o644 });
  const failures: string[] = [];
  let conn: { destroy(): void } | null = null;
  const link = new SandboxLink({ sandboxId: 'sb', clock: systemClock, log, onFailed: (r) => { failures.push(r); console.error('LINK FAILED', r); } });
  const accept = link.accept.bind(link);
  link.accept = (c) => { const l = accept(c); conn = { destroy: () => { c.destroy(); l.ended(null); } }; return l; };
  const listener = await ControlListener.open({ socketPath: join(dir, 'run/control.sock'), nonces: { current: nonce.toString('hex'), previous: null } as Nonces, saveNonces: async () => undefined, link, clock: systemClock, log });
  const child = spawn('unshare', ['--pid', '--fork', '--mount', '--net', '--kill-child', '/tmp/lk/jail.sh', join(dir, 'root'), join(dir, 'run'), join(dir, 'ws')], { stdio: ['ignore', 'inherit', 'inherit'] });
  const exited = new Promise((resolve) => child.once('exit', resolve));
  await link.waitUntilUp({ timeoutMs: 10_000 });
  return {
    link, sharesLoopback: false, cut: () => conn?.destroy(),
    [Symbol.asyncDispose]: async () => {
      link.close(); await listener.close(); child.kill('SIGKILL'); await exited;
      await new Promise((r) => setTimeout(r, 50));
      await rm(dir, { recursive: true, force: true });
    },
  };
}
linkContract('the real init', real);
