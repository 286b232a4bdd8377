// Every row of the attack suite, in the order in which they are run: what fills something comes last.

import type { AttackRow } from './row.ts';
import { CONFINEMENT_ROWS } from './rows-confinement.ts';
import { LIMIT_ROWS, NETWORK_ROWS } from './rows-network-limits.ts';
import { SYSTEM_CALL_ROWS } from './rows-system-calls.ts';

export const ATTACK_ROWS: readonly AttackRow[] = [...CONFINEMENT_ROWS, ...SYSTEM_CALL_ROWS, ...NETWORK_ROWS, ...LIMIT_ROWS];
