// Joins a session that is open, as a participant beside its controller; never makes one.

import type { Cloister } from '../client.ts';
import { SandboxError } from '../errors.ts';
import type { SandboxInfo } from '../protocol/index.ts';
import type { Sandbox } from '../sandbox.ts';

export async function joinSession(cloister: Cloister, session: string): Promise<Sandbox> {
  const { tenant, session: name } = await findSandbox(cloister, session);
  const isOperator = cloister.identity.role === 'operator';
  return await cloister.open({ session: name, role: 'participant', ...(isOperator ? { tenant } : {}) });
}

/** By sandbox id or by session name. */
export async function findSandbox(cloister: Cloister, id: string): Promise<SandboxInfo> {
  const found = (await cloister.list()).filter((info) => info.id === id || info.session === id);
  const [info] = found;
  if (info === undefined) {
    throw new SandboxError('NOT_FOUND', `Cannot find session ${id}: none of this name or id is open`, {
      hint: 'cloister ps shows what is open.',
    });
  }
  if (found.length > 1) {
    throw new SandboxError('INVALID_REQUEST', `Cannot tell which session ${id} is meant: ${found.length} tenants have one`, {
      hint: 'Name it by its sandbox id.',
    });
  }
  return info;
}
