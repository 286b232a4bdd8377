// The images that operators add, wired: what of them is in use, and what the configuration has beside them. A part of the
// composition root.

import type { OpenedEngine } from './container/open-engine.ts';
import { ImageShelf } from './container/image/image-shelf.ts';
import type { AuditLog } from './observe/audit-log.ts';
import type { Clock } from './observe/clock.ts';
import type { Log } from './observe/log.ts';
import type { SandboxRecords } from './session/sandbox-record.ts';

interface ImageParts {
  readonly stateDir: string;
  readonly instanceId: string;
  readonly engine: OpenedEngine;
  /** What set-up built. */
  readonly baseImage: string;
  /** Of the configuration in force. */
  readonly configured: () => Readonly<Record<string, string>>;
  readonly sandboxRecords: SandboxRecords;
  readonly audit: AuditLog;
  readonly clock: Clock;
  readonly log: Log;
}

export const openImages = ({ engine, sandboxRecords, ...parts }: ImageParts): Promise<ImageShelf> =>
  ImageShelf.open({
    ...parts,
    driver: engine.driver,
    images: engine.images,
    buildNetwork: engine.buildNetwork,
    architecture: engine.info.architecture,
    // On record before their containers are made, so that none is missed.
    users: async () => {
      const users = new Map<string, string[]>();
      for (const { id, tenant, session, policy } of (await sandboxRecords.list()).records) {
        const whose = tenant === null || session === null ? 'a spare' : `${tenant}/${session}`;
        users.set(policy.imageName, [...(users.get(policy.imageName) ?? []), `${id} (${whose})`]);
      }
      return users;
    },
  });
