// What the stand-in for a daemon says of workspaces as a whole: that it has none.

import { SandboxError } from '../../client/protocol/errors.ts';
import type { WORKSPACE_OPERATIONS } from '../../client/protocol/workspace.ts';

const absent = (): never => {
  throw new SandboxError('NOT_FOUND', 'Cannot use the workspace: this stand-in has only files');
};

export const PEER_WORKSPACE: { readonly [O in keyof typeof WORKSPACE_OPERATIONS]: () => never } = {
  'workspace.usage': absent,
  'workspace.snapshot': absent,
  'workspace.snapshots': absent,
  'workspace.deleteSnapshot': absent,
  'workspace.restore': absent,
  'workspace.fork': absent,
  'workspace.diff': absent,
  'workspace.undo': absent,
  'files.upload': absent,
  'files.download': absent,
};
