// What deploy/prometheus asks for: rules that promtool accepts and that fire when they should, and names that the daemon has.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { metricsSeries } from '../../support/metrics-series.ts';

const DIRECTORY = join(import.meta.dirname, '../../../deploy/prometheus');
const read = (name: string): string => readFileSync(join(DIRECTORY, name), 'utf8');
const promtool = (...args: string[]): string => execFileSync('promtool', args, { cwd: DIRECTORY, encoding: 'utf8' });

const namesIn = (text: string): string[] => [...new Set(text.match(/\b(cloister|process)_[a-z_]+\b/g) ?? [])].sort();

const Dashboard = z.object({
  panels: z.array(z.object({ title: z.string(), id: z.number(), targets: z.array(z.object({ expr: z.string() })).default([]) })),
  annotations: z.object({ list: z.array(z.object({ expr: z.string() })) }),
  templating: z.object({ list: z.array(z.object({ name: z.string(), query: z.string() })) }),
});

describe('deploy/prometheus', () => {
  test('promtool accepts the configuration and the rules', () => {
    expect(promtool('check', 'config', 'prometheus.yml')).toContain('SUCCESS');
    expect(promtool('check', 'rules', 'alerts.yml')).toContain('SUCCESS');
  });

  test('the rules fire when they should and not before', () => {
    expect(promtool('test', 'rules', 'alerts.test.yml')).toContain('SUCCESS');
  });

  test('the rules cover what must be alarmed about', () => {
    const text = read('alerts.yml');
    for (const name of ['ToolFailures', 'ConfirmTimeouts', 'EngineErrors', 'PoolExhausted', 'DiskFull'])
      expect(text).toContain(`alert: Cloister${name}`);
  });

  test('the rules ask for nothing the daemon does not have', async () => {
    const there = await metricsSeries();
    expect(namesIn(read('alerts.yml').replaceAll(/^ *(runbook|summary):.*$/gm, '')).filter((name) => !there.has(name))).toEqual([]);
  });

  test('the dashboard asks for nothing the daemon does not have, in expressions that Prometheus reads', async () => {
    const { panels, annotations, templating } = Dashboard.parse(JSON.parse(read('grafana-dashboard.json')));
    const there = await metricsSeries();
    const expressions = [...panels.flatMap(({ targets }) => targets), ...annotations.list].map(({ expr }) => expr);
    expect(expressions.length).toBeGreaterThan(30);
    for (const text of [...expressions, ...templating.list.map(({ query }) => query)])
      expect(namesIn(text).filter((name) => !there.has(name))).toEqual([]);
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    const rules = expressions.map((expr, index) => ({ record: `r${index}`, expr }));
    const directory = mkdtempSync(join(tmpdir(), 'cl-prom-'));
    try {
      writeFileSync(join(directory, 'dashboard.yml'), JSON.stringify({ groups: [{ name: 'dashboard', rules }] }));
      expect(promtool('check', 'rules', join(directory, 'dashboard.yml'))).toContain('SUCCESS');
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});
