// A client as a process of its own, to be killed: opens a session, starts one command in the foreground and one in the
// background, says "started", and waits.

import { Cloister } from '../../client/index.ts';

const [url = '', token = '', session = '', graceMs = ''] = process.argv.slice(2);
const cloister = await Cloister.connect({ url, token, disconnectGraceMs: Number(graceMs) });
const sandbox = await cloister.open({ session });
sandbox.exec('exec -a foreground-work sleep 600', { id: 'foreground' }).then(
  () => undefined,
  () => undefined,
);
sandbox.exec('exec -a background-work sleep 600', { id: 'background', background: true }).then(
  () => undefined,
  () => undefined,
);
while ((await sandbox.execs()).length < 2);
process.stdout.write(`started ${sandbox.id}\n`);
setInterval(() => undefined, 60_000);
