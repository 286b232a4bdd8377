// An image made by somebody who means harm: the base image with setuid programs, symlinks in place of directories that
// runtimes mount over, a huge environment and an entry point of its own. Made once per engine.

import { Readable } from 'node:stream';
import { pack } from 'tar-stream';
import type { ContainerDriver } from '../../daemon/container/driver.ts';

const TAG = 'cloister-test-hostile:latest';
export const HUGE_VARIABLES = 200;

/** What it does besides; each kind is an image of its own. */
export type HostileKind = 'hostile' | 'volumes';

const MORE: Readonly<Record<HostileKind, readonly string[]>> = {
  hostile: [
    'RUN cp /bin/dash /bin/setuid-sh && chmod 4755 /bin/setuid-sh && cp /bin/cat /bin/setgid-cat && chmod 2755 /bin/setgid-cat',
    `ENV ${Array.from({ length: HUGE_VARIABLES }, (_, n) => `HUGE_${n}=${'x'.repeat(250)}`).join(' ')}`,
    'ENV LD_PRELOAD=/evil.so PATH=/evil:/usr/bin:/bin BASH_ENV=/evil.sh NODE_OPTIONS=--require=/evil.js HOME=/evil',
    'ENTRYPOINT ["/bin/setuid-sh", "-c", "id > /workspace/entered; sleep 600"]',
    'CMD ["--privileged"]',
    'USER 0:0',
    'WORKDIR /proc/self/fd/8',
    'HEALTHCHECK --interval=1s CMD touch /workspace/checked',
    'EXPOSE 22 2375',
    'ONBUILD RUN touch /built',
  ],
  volumes: ['VOLUME /data', 'VOLUME /workspace/hidden'],
};

export async function hostileImage(driver: ContainerDriver, base: string, kind: HostileKind = 'hostile'): Promise<string> {
  const tag = TAG.replace('hostile:', `${kind}:`);
  const present = await driver.inspectImage(tag);
  if (present !== null) return present.id;
  const context = pack();
  context.entry({ name: 'Dockerfile' }, [`FROM ${base}`, ...MORE[kind], ''].join('\n'));
  context.finalize();
  return await driver.buildImage(Readable.from(context), { tag, networkMode: 'none' });
}
