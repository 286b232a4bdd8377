// Starts a command with a checkpoint: the snapshot first, and none of it left if the command does not start.

import { SandboxError } from '../../client/protocol/errors.ts';
import type { Execution } from '../exec/execution.ts';
import type { Session } from '../session/session.ts';
import type { HandlerContext } from './handler.ts';
import { workspaceIdOf } from './workspace-handlers.ts';

export async function checkpointed(context: HandlerContext, session: Session, execId: string, start: () => Execution): Promise<Execution> {
  const drop = await context.workspaces.history.checkpoint(workspaceIdOf(context, session, `start command ${execId}`), execId);
  try {
    const execution = start();
    // Refused after all, for want of a process slot.
    void execution.result.catch(drop);
    return execution;
  } catch (error) {
    if (SandboxError.is(error)) await drop();
    throw error;
  }
}
