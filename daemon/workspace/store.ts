// What a workspace store is: directories with an opaque id, an owner, a byte quota, snapshots and forks.
// Owns the interface and the form of ids; must not know how a store keeps them, nor which session uses one.

import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { SandboxError } from '../../client/protocol/errors.ts';

/** Opaque, permanent id of a workspace: it names no tenant and is never reused. */
export const workspaceIdSchema = z.string().regex(/^[a-z0-9]{16,32}$/);
export const snapshotNameSchema = z.string().regex(/^[a-z0-9][a-z0-9._-]{0,62}$/);

export type StoreKind = 'btrfs' | 'directory';

export interface CreateWorkspace {
  readonly id: string;
  readonly uid: number;
  readonly gid: number;
  /** Hard byte quota; null for none. */
  readonly maxBytes: number | null;
  /** Whose storage it counts into; null while it is a spare that nobody owns. */
  readonly tenant: string | null;
}

export interface CloneWorkspace extends CreateWorkspace {
  /** Starts from this snapshot of the parent, from its present state if absent. */
  readonly snapshot?: string;
}

export interface WorkspaceUsage {
  readonly usedBytes: number;
  readonly maxBytes: number | null;
}

export interface SnapshotInfo {
  readonly name: string;
  /** RFC 3339 time. */
  readonly createdAt: string;
  /** Read-only path of its content. */
  readonly path: string;
}

/**
 * Failures are SandboxErrors: NOT_FOUND for an unknown id or snapshot, FILE_EXISTS for a taken one, CAPACITY when free space is
 * under the floor, QUOTA_EXCEEDED when the tenant's storage is full. A store never follows what a tenant wrote into a workspace.
 */
export interface WorkspaceStore extends AsyncDisposable {
  readonly kind: StoreKind;
  create(request: CreateWorkspace): Promise<{ readonly path: string }>;
  /** Where the workspace lies: rw,nosuid,nodev. */
  path(id: string): string;
  /** The same files on a mount that is ro,nosuid,nodev. */
  readonlyPath(id: string): string;
  /** The hard limit as the kernel states it now; null means none is enforced. */
  quota(id: string): Promise<{ readonly maxBytes: number | null }>;
  setQuota(id: string, maxBytes: number | null): Promise<void>;
  /** Counts the workspace into a tenant's storage: a spare that is claimed. */
  assignTenant(id: string, tenant: string): Promise<void>;
  usage(id: string): Promise<WorkspaceUsage>;
  snapshot(id: string, name: string): Promise<SnapshotInfo>;
  listSnapshots(id: string): Promise<SnapshotInfo[]>;
  deleteSnapshot(id: string, name: string): Promise<void>;
  /** Makes a new workspace with the content of another (fork, restore); the new owner is the old one's uid. */
  clone(id: string, request: CloneWorkspace): Promise<{ readonly path: string }>;
  /** Puts the content of a snapshot in the place of the workspace's. No tenant process may be alive on it. */
  restore(id: string, name: string): Promise<void>;
  /** No more can be written to the workspace, or to all of its tenant's. Known at once unless it seems so. */
  isFull(id: string): boolean | Promise<boolean>;
  /** Deletes the workspace, its snapshots and whatever was made inside. No tenant process may be alive on it. Idempotent. */
  remove(id: string): Promise<void>;
  /** Ids of which anything is left, complete or not. */
  list(): Promise<string[]>;
  /** Unmounts and detaches; only for a daemon that leaves no sandbox behind. Files stay. */
  dispose(): Promise<void>;
}

export function newWorkspaceId(): string {
  return randomBytes(12).toString('hex');
}

/** Throws unless `id` has the form of a workspace id: it becomes part of a host path. */
export function requireWorkspaceId(id: string): string {
  if (workspaceIdSchema.safeParse(id).success) return id;
  throw new SandboxError('INVALID_REQUEST', `Cannot use workspace ${JSON.stringify(id)}: it is not a workspace id`);
}

export function requireSnapshotName(name: string): string {
  if (snapshotNameSchema.safeParse(name).success) return name;
  throw new SandboxError(
    'INVALID_REQUEST',
    `Cannot use snapshot ${JSON.stringify(name)}: the name does not match ^[a-z0-9][a-z0-9._-]{0,62}$`,
  );
}

export function unknownWorkspace(id: string): SandboxError {
  return new SandboxError('NOT_FOUND', `Cannot find workspace ${id}: the store has none of that id`);
}

export function unknownSnapshot(id: string, name: string): SandboxError {
  return new SandboxError('NOT_FOUND', `Cannot find snapshot ${name}: workspace ${id} has none of that name`);
}
