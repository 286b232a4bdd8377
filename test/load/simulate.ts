// npx tsx test/load/simulate.ts: placement over 10,000 members and a million sessions. Prints the figures; --write FILE keeps them for
// docs/capacity.md. Options: --members, --sessions, --tenants, --max-sessions, --lost, --seed.

import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { simulateFleet } from './fleet-simulation.ts';
import { SIMULATED, SMALL } from './simulated-fleet.ts';

const { values } = parseArgs({
  options: {
    members: { type: 'string' },
    sessions: { type: 'string' },
    tenants: { type: 'string' },
    'max-sessions': { type: 'string' },
    lost: { type: 'string' },
    seed: { type: 'string' },
    write: { type: 'string' },
  },
});
const given = (name: 'members' | 'sessions' | 'tenants' | 'max-sessions' | 'lost' | 'seed', otherwise: number): number => {
  const value = Number(values[name] ?? otherwise);
  if (Number.isInteger(value) && value >= 0) return value;
  process.stderr.write(`--${name} must be a whole number\n`);
  process.exit(2);
};

const options = {
  ...SIMULATED,
  members: given('members', SIMULATED.members),
  sessions: given('sessions', SIMULATED.sessions),
  tenants: given('tenants', SIMULATED.tenants),
  maxSessions: given('max-sessions', SIMULATED.maxSessions),
  lost: given('lost', SIMULATED.lost),
  seed: given('seed', SIMULATED.seed),
};
const startedMs = performance.now();
const figures = simulateFleet(options);
process.stdout.write(`${JSON.stringify({ options, figures }, null, 2)}\n`);
process.stderr.write(
  `${((performance.now() - startedMs) / 1000).toFixed(1)} s, ${Math.round(process.memoryUsage.rss() / 1024 / 1024)} MB of memory\n`,
);
// The small fleet's tell a test whether these are still of the choice as it is now.
if (values.write !== undefined)
  writeFileSync(values.write, `${JSON.stringify({ options, figures, small: simulateFleet(SMALL) }, null, 2)}\n`);
