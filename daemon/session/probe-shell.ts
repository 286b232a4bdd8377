// Which shell an image has: asked of the sandbox itself, once per image, before any tenant code runs.

import type { SandboxLink } from '../link/sandbox-link.ts';

/** The highest exec number, which no command of a client ever gets. */
const PROBE_NUMBER = 0xffff_ffff;

export async function probeShell(link: SandboxLink): Promise<'bash' | 'sh'> {
  const hasBash = await new Promise<boolean>((resolve, reject) => {
    const command = { argv: ['/bin/bash', '--version'], env: {}, cwd: '/', stdin: 'none', wallMs: 5000, idleMs: 0, graceMs: 0 } as const;
    link.start(PROBE_NUMBER, command, {
      started: () => undefined,
      output: (offset, _stream, bytes) => link.credit(PROBE_NUMBER, offset + bytes.byteLength),
      exited: (report) => {
        link.exitAck(PROBE_NUMBER);
        resolve(report.reason === 'self' && report.waitStatus === 0);
      },
      stdinTaken: () => undefined,
      gone: () => undefined,
      resumed: () => 0,
      unknown: () => resolve(false),
      lost: (reason) => reject(new Error(reason)),
    });
  });
  return hasBash ? 'bash' : 'sh';
}
