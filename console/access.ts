// Who is signed in, what that lets them do, and their ways to the daemon. One object for the life of a sign-in.

import { createContext } from 'preact';
import { useContext } from 'preact/hooks';
import type { Self } from './answers.ts';
import type { Http } from './http.ts';
import type { Wire } from './wire.ts';

export interface Access {
  readonly self: Self;
  readonly http: Http;
  /** Closing, pausing, extending, answering: as whoever the token names, part of no session. */
  readonly control: Wire;
  /** Of its own, for one that looks on: what is read too slowly is missed, and no command waits for it or ends with it. */
  readonly newWire: () => Wire;
  /** Files and workspaces: a participant beside the controller. */
  readonly work: Wire;
}

export const isOperator = ({ self }: Access): boolean => self.role === 'operator';
/** Whether anything may be changed at all. */
export const canAct = ({ self }: Access): boolean => self.role !== 'observer' && !self.readOnly;
export const canRead = ({ self }: Access): boolean => self.role !== 'observer';

export const AccessContext = createContext<Access | null>(null);

export function useAccess(): Access {
  const access = useContext(AccessContext);
  if (access === null) throw new Error('nobody is signed in');
  return access;
}
