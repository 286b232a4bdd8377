// The agent of calls to the engine. Owns one peculiarity of the client library below dockerode.

import { Agent, type AgentOptions } from 'node:http';
import { inspect } from 'node:util';

/**
 * docker-modem renders the options of every request for a debug line that nobody reads, in full depth: with the agent come all
 * of its sockets, one for each container that is watched.
 */
export class EngineAgent extends Agent {
  constructor(options: AgentOptions) {
    super(options);
    Object.defineProperty(this, inspect.custom, { value: () => 'EngineAgent' });
  }
}
