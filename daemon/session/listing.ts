// Which sessions a list request means, for whoever asks. Pure.

import type { ListRequest } from '../../client/protocol/session.ts';
import { maySee } from '../auth/access.ts';
import type { Principal } from '../auth/principal.ts';
import type { Session } from './session.ts';

export function isListed(session: Session, request: ListRequest, principal: Principal): boolean {
  return (
    maySee(principal, session.tenant, session.session) &&
    (request.tenant === undefined || session.tenant === request.tenant) &&
    (request.state === undefined || session.info().state === request.state) &&
    Object.entries(request.labels ?? {}).every(([name, value]) => session.labels[name] === value)
  );
}
