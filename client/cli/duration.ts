// Durations as people write them: 500ms, 60s, 5m, 12h, 7d. Pure.

import { InvalidArgumentError } from 'commander';

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Milliseconds, at least 1; a bare number is refused, its unit would be a guess. */
export function parseDuration(text: string): number {
  const [, amount, unit] = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text) ?? [];
  const ms = Math.round(Number(amount) * (UNIT_MS[unit ?? ''] ?? Number.NaN));
  if (!Number.isSafeInteger(ms) || ms < 1) throw new InvalidArgumentError('Write it as 500ms, 60s, 5m, 12h or 7d.');
  return ms;
}

/** The largest unit that says enough: 3d, 12h, 5m, 60s. */
export function formatDuration(ms: number): string {
  for (const unit of ['d', 'h', 'm'] as const) {
    const size = UNIT_MS[unit] ?? 1;
    if (ms >= 2 * size) return `${Math.floor(ms / size)}${unit}`;
  }
  return `${Math.max(0, Math.floor(ms / 1000))}s`;
}
