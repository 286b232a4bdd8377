// What the gateway needs of the daemon's configuration.

import type { ConfigChange, ConfigInForce } from '../../client/protocol/operate.ts';

/** Changing it throws POLICY_INVALID, having changed nothing. */
export interface Configuration {
  print(): ConfigInForce;
  reload(by: string): ConfigChange;
  revert(by: string): ConfigChange;
}
