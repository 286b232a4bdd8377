// The service's unit: what it takes away from the daemon, and what it must not.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const ROOT = join(import.meta.dirname, '../../..');
const lines = readFileSync(join(ROOT, 'deploy/systemd/cloisterd.service'), 'utf8')
  .split('\n')
  .filter((line) => line !== '' && !line.startsWith('#'));
const keys = lines.map((line) => line.split('=', 1)[0]);

test('the unit leaves the daemon in the mount namespace that the engine sees', () => {
  for (const key of [
    'PrivateMounts',
    'PrivateTmp',
    'PrivateDevices',
    'ProtectSystem',
    'ProtectHome',
    'ProtectProc',
    'ProtectControlGroups',
    'ProtectKernelTunables',
    'ProtectKernelModules',
    'ProtectKernelLogs',
    'ReadWritePaths',
    'ReadOnlyPaths',
    'InaccessiblePaths',
    'BindPaths',
    'TemporaryFileSystem',
    'RootDirectory',
    'MountFlags',
    'DynamicUser',
  ])
    expect(keys).not.toContain(key);
});

test('it gives the daemon the capabilities that the container gets, and no more', () => {
  const compose = readFileSync(join(ROOT, 'docker-compose.yml'), 'utf8');
  const inContainer = [...compose.matchAll(/^ {6}- ([A-Z_]+)$/gm)].map(([, name]) => `CAP_${name}`);
  const inUnit = lines
    .find((line) => line.startsWith('CapabilityBoundingSet='))
    ?.split('=')[1]
    ?.split(' ');
  expect(inUnit?.toSorted()).toEqual(inContainer.toSorted());
  expect(lines).toEqual(expect.arrayContaining(['NoNewPrivileges=yes', 'RestrictNamespaces=yes', 'DevicePolicy=closed', 'UMask=0077']));
});

test('it leaves sandboxes to the next daemon, and gives this one time for that', () => {
  expect(lines.find((line) => line.startsWith('ExecStart='))).toContain('--on-exit keep');
  expect(lines).toEqual(expect.arrayContaining(['KillMode=mixed', 'Restart=on-failure', 'TimeoutStopSec=60s']));
});
