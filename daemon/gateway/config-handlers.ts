// The daemon's configuration on the wire, for operators: seeing it, reading it again, taking a change back.

import type { Handler } from './handler.ts';

const operator = (tokenId: string): string => `operator:${tokenId.slice(0, 8)}`;

export const configGet: Handler<'config.get'> = async (context) => context.configuration.print();
export const configReload: Handler<'config.reload'> = async (context, { principal }) =>
  context.configuration.reload(operator(principal.tokenId));
export const configRevert: Handler<'config.revert'> = async (context, { principal }) =>
  context.configuration.revert(operator(principal.tokenId));
