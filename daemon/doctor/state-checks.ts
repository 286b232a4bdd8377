// Checks of what the daemon keeps: the state directory, keys, audit log, disk, backups.

import type { FileFacts } from './facts.ts';
import { type Check, fail, pass, warn } from './finding.ts';

const GIB = 1024 ** 3;
const DAY_MS = 86_400_000;
const KEY_AGE_DAYS = 90;
const BACKUP_AGE_DAYS = 7;
const FULL_SHARE = 0.85;
const GROUP_AND_OTHERS = 0o077;
const WRITE_OF_OTHERS = 0o022;
const STICKY = 0o1000;
/** Where tenants' files lie in the state directory. */
const WORKSPACES = ['pool', 'pool-ro', 'pool-data', 'ws', 'ws-ro', 'host', 'host-ro'];

export const STATE_CHECKS: readonly Check[] = [
  {
    id: 'state-directory',
    area: 'isolation',
    judge: ({ settings, stateFiles, stateParents }) => {
      if (stateFiles.length === 0)
        return warn(`${settings.stateDir} is not made yet`, 'Run npm run setup, or start the daemon once, and ask again.');
      const open = stateParents.filter(({ mode, uid }) => uid !== 0 || ((mode & WRITE_OF_OTHERS) !== 0 && (mode & STICKY) === 0));
      if (open.length > 0)
        return fail(
          `others may replace the state directory: ${open.map(shownFile).join(', ')}`,
          'Give its parents to root and take the right to write from others.',
        );
      const loose = stateFiles.filter(({ mode, uid }) => uid !== 0 || (mode & GROUP_AND_OTHERS) !== 0);
      return loose.length > 0
        ? fail(
            `others may read or write: ${loose.slice(0, 10).map(shownFile).join(', ')}`,
            'chown root and chmod go= these; then make new keys if others could read them.',
          )
        : pass(`${settings.stateDir} and its files belong to root alone`);
    },
  },
  {
    id: 'configuration-file',
    area: 'secrets',
    judge: ({ settings, configFile }) => {
      if (settings.configFile === null) return pass('defaults and environment only');
      if (configFile === null) return fail(`${settings.configFile} cannot be read`, 'Name a file that exists.');
      if (WORKSPACES.some((directory) => configFile.path.startsWith(`${settings.stateDir}/${directory}/`)))
        return fail(`${configFile.path} lies in a workspace`, 'Move it to where no sandbox can write, for example /etc/cloister.');
      if (configFile.uid !== 0 || (configFile.mode & WRITE_OF_OTHERS) !== 0)
        return fail(`others may change ${shownFile(configFile)}`, 'chown root and chmod go-w it.');
      return (configFile.mode & GROUP_AND_OTHERS) !== 0
        ? warn(`others may read ${shownFile(configFile)}`, 'chmod 600 it if it names keys or secrets.')
        : pass(`${configFile.path} belongs to root alone`);
    },
  },
  {
    id: 'token-age',
    area: 'secrets',
    judge: ({ tokenKeys, nowMs }) => {
      const oldest = tokenKeys.toSorted((a, b) => a.modifiedAtMs - b.modifiedAtMs)[0];
      if (oldest === undefined) return pass('no key of tokens is made yet');
      const days = Math.floor((nowMs - oldest.modifiedAtMs) / DAY_MS);
      return days > KEY_AGE_DAYS
        ? warn(
            `the key that signs tokens is ${days} days old, and so may be tokens`,
            'Make a new key (remove the file, restart) and new tokens; the old ones end with it.',
          )
        : pass(`the key that signs tokens is ${days} days old`);
    },
  },
  {
    id: 'audit-chain',
    area: 'observability',
    judge: ({ audit, settings }) => {
      switch (audit.verdict) {
        case 'absent':
          return warn(`there is no audit log at ${settings.auditFile} yet`, 'Start the daemon once and ask again.');
        case 'unreadable':
          return fail(`the audit log cannot be checked: ${audit.reason}`, 'Make it readable for root, or restore its keys from a backup.');
        case 'broken':
          return fail(`${audit.file}, line ${audit.line}: ${audit.reason}`, 'Keep the file as evidence and find out who wrote to it.');
        default:
          return pass(`${audit.records} records, the chain holds`);
      }
    },
  },
  {
    id: 'disk-space',
    area: 'resources',
    judge: ({ disk, settings }) => {
      const used = disk.totalBytes === 0 ? 0 : 1 - disk.freeBytes / disk.totalBytes;
      const told = `${(disk.freeBytes / GIB).toFixed(1)} GiB of ${(disk.totalBytes / GIB).toFixed(1)} free at ${settings.stateDir}`;
      if (disk.freeBytes < GIB)
        return fail(`${told}: nothing new is admitted below 1 GiB`, 'Free space, or move the state directory to a larger disk.');
      return used > FULL_SHARE ? warn(`${told}: over 85 % used`, 'Free space before it runs out.') : pass(told);
    },
  },
  {
    id: 'inodes',
    area: 'resources',
    judge: ({ disk }) => {
      // File systems like btrfs make them as needed and say 0.
      if (disk.totalInodes === 0) return pass('made as needed');
      const free = disk.freeInodes / disk.totalInodes;
      const told = `${disk.freeInodes} of ${disk.totalInodes} free`;
      if (free < 0.01) return fail(told, 'Remove small files, or move the state directory.');
      return free < 0.1 ? warn(told, 'Remove small files before they run out.') : pass(told);
    },
  },
  {
    id: 'disk-quota',
    area: 'resources',
    judge: ({ settings, btrfsLack }) => {
      if (settings.store !== 'directory' && btrfsLack === null) return pass('btrfs: every workspace has a hard limit');
      if (settings.quota === 'none')
        return warn(
          `workspaces may have no disk limit: ${settings.store === 'directory' ? 'workspace.store is directory' : btrfsLack}`,
          'Use the btrfs store; without it one tenant can fill the disk of all.',
        );
      return fail(
        `no disk limit can be kept: ${settings.store === 'directory' ? 'workspace.store is directory' : btrfsLack}`,
        'Install btrfs-progs on a kernel with btrfs, or accept it with workspace.quota "none".',
      );
    },
  },
  {
    id: 'backups',
    area: 'rollback',
    judge: ({ lastBackupMs, nowMs, settings }) => {
      const remedy = `Back up keys, records and audit log of ${settings.stateDir}, and touch ${settings.stateDir}/last-backup after each time.`;
      if (lastBackupMs === null) return warn('no backup has been noted', remedy);
      const days = Math.floor((nowMs - lastBackupMs) / DAY_MS);
      return days > BACKUP_AGE_DAYS
        ? warn(`the last backup was noted ${days} days ago`, remedy)
        : pass(`the last backup was noted ${days} days ago`);
    },
  },
];

const shownFile = ({ path, mode, uid }: FileFacts): string => `${path} (mode ${(mode & 0o7777).toString(8).padStart(4, '0')}, uid ${uid})`;
