// A process that opens the btrfs store in argv[2] and changes it at random until it is killed.
import { pino } from 'pino';
import { openWorkspaceStore } from '../../daemon/workspace/open-store.ts';
import { newWorkspaceId } from '../../daemon/workspace/store.ts';

const [stateDir = '', poolBytes = '0'] = process.argv.slice(2);
const pick = <Item>(items: readonly Item[]): Item | undefined => items[Math.floor(Math.random() * items.length)];

process.stdout.write('opening\n');
const store = await openWorkspaceStore({
  stateDir,
  kind: 'btrfs',
  poolBytes: Number(poolBytes),
  acceptNoQuota: false,
  floorBytes: 0,
  log: pino({ level: 'silent' }),
});
for (;;) {
  const id = pick(await store.list());
  const request = {
    id: newWorkspaceId(),
    uid: 231_700,
    gid: 231_700,
    maxBytes: 8 * 1024 * 1024,
    tenant: pick(['acme', 'globex', null]) ?? null,
  };
  const steps = [
    async () => store.create(request),
    async () => id !== undefined && store.clone(id, request),
    async () => id !== undefined && store.snapshot(id, `s${Date.now() % 5}`),
    async () => id !== undefined && store.restore(id, `s${Date.now() % 5}`),
    async () => id !== undefined && store.assignTenant(id, 'acme'),
    async () => id !== undefined && store.remove(id),
  ];
  // A step may be impossible in the present state, for example a name that is taken.
  await Promise.all([pick(steps)?.(), pick(steps)?.()].map(async (step) => step?.catch(() => undefined)));
}
