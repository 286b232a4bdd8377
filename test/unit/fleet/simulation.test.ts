// The simulator of fleets keeps its word in small, and docs/capacity.md has what it and the benchmark found.

import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { BenchResults, renderCapacity, Simulated } from '../../support/documents/capacity.ts';
import { simulateFleet } from '../../load/fleet-simulation.ts';
import { SIMULATED, SMALL } from '../../load/simulated-fleet.ts';

const readJson = (path: string): unknown => JSON.parse(readFileSync(path, 'utf8'));
const kept = Simulated.parse(readJson('test/load/simulated-fleet.json'));

describe('a simulated fleet', () => {
  const figures = simulateFleet(SMALL);

  test('has the same figures for the same seed, and others for another', () => {
    expect(simulateFleet(SMALL)).toEqual(figures);
    expect(simulateFleet({ ...SMALL, seed: 2 })).not.toEqual(figures);
  });

  test('places every session, on no member more than it takes, and refuses only when all are full', () => {
    expect(figures).toMatchObject({ placed: SMALL.sessions, refused: 0 });
    expect(figures.load.max).toBeLessThanOrEqual(SMALL.maxSessions);
    const full = simulateFleet({ ...SMALL, members: 20, lost: 0, sessions: 5_000 });
    expect(full).toMatchObject({ placed: 4_000, refused: 1_000, load: { mean: 200, median: 200, imbalance: 1, empty: 0 } });
  });

  test('moves what was on lost members and nothing else', () => {
    expect(figures.loss.moved).toBeGreaterThan(0);
    expect(figures.loss.movedOfOthers).toBe(0);
    expect(figures.loss.load.mean * (SMALL.members - SMALL.lost)).toBeCloseTo(SMALL.sessions, -1);
  });

  test('keeps tenants together as far as there is room', () => {
    expect(figures.membersOfTenant.median).toBeLessThanOrEqual(4);
    const alike = simulateFleet({ ...SMALL, members: 50, tenants: 5, sessions: 1_000, lost: 0 });
    expect(alike.membersOfTenant.max).toBeLessThanOrEqual(6);
  });

  test('counts what Redis is asked by the number of members and of opens', () => {
    const { redisPerSecond: twice } = simulateFleet({ ...SMALL, members: 2 * SMALL.members });
    expect(twice.heartbeats).toBe(2 * figures.redisPerSecond.heartbeats);
    expect(twice.opens).toBe(figures.redisPerSecond.opens);
  });
});

describe('docs/capacity.md', () => {
  test('has what was measured and simulated (npm run docs writes it)', () => {
    const text = readFileSync('docs/capacity.md', 'utf8');
    expect(renderCapacity(text, BenchResults.parse(readJson('test/bench/kept-results.json')), kept)).toBe(text);
  });

  test('is of the fleet that the command simulates, by the choice of now (simulate.ts --write test/load/simulated-fleet.json)', () => {
    expect(readJson('test/load/simulated-fleet.json')).toMatchObject({ options: SIMULATED, small: simulateFleet(SMALL) });
  });
});
