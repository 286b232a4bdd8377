// Small parts that several pages are made of: badges, meters, lines of figures, notices, empty places.

import type { ComponentChildren } from 'preact';
import { refusalText } from './http.ts';

type Tone = 'good' | 'warn' | 'fail' | 'accent' | 'plain';

const TONES: Readonly<Record<string, Tone>> = {
  running: 'good',
  exited: 'plain',
  starting: 'accent',
  paused: 'warn',
  closing: 'plain',
  failed: 'fail',
  allow: 'good',
  deny: 'fail',
  ask: 'warn',
  pass: 'good',
  warn: 'warn',
  fail: 'fail',
  created: 'good',
  changed: 'accent',
  deleted: 'fail',
  denied: 'fail',
  killed: 'warn',
  timedOut: 'warn',
  idleTimedOut: 'warn',
  oomKilled: 'fail',
  outputCapped: 'warn',
  signalled: 'warn',
  lost: 'fail',
  refused: 'fail',
  waiting: 'warn',
};

export function Badge({ text, tone }: { readonly text: string; readonly tone?: Tone | undefined }) {
  return <span class={`badge ${tone ?? TONES[text] ?? 'plain'}`}>{text}</span>;
}

/** How much of a limit is used. */
export function Meter({ value, max, label }: { readonly value: number | null; readonly max: number | null; readonly label: string }) {
  const share = value === null || max === null || max <= 0 ? 0 : Math.min(1, value / max);
  const tone = share > 0.9 ? 'fail' : share > 0.75 ? 'warn' : 'good';
  return (
    <div class="meter" role="meter" aria-label={label} aria-valuemin={0} aria-valuemax={100} aria-valuenow={Math.round(share * 100)}>
      <i class={tone} style={{ width: `${(share * 100).toFixed(1)}%` }} />
    </div>
  );
}

/** A line of the last figures; `label` says what it shows to those who do not see it. */
export function Sparkline({
  values,
  max,
  label,
}: {
  readonly values: readonly (number | null)[];
  readonly max?: number;
  readonly label: string;
}) {
  const known = values.map((value) => value ?? 0);
  const top = Math.max(max ?? 0, ...known, 1e-9);
  const step = 100 / Math.max(1, known.length - 1);
  const points = known.map((value, index) => `${(index * step).toFixed(1)},${(28 - (value / top) * 26).toFixed(1)}`);
  return (
    <svg class="spark" viewBox="0 0 100 30" preserveAspectRatio="none" role="img" aria-label={label}>
      {points.length > 1 && <path class="spark-fill" d={`M0,30 L${points.join(' L')} L100,30 Z`} />}
      {points.length > 1 && <polyline points={points.join(' ')} />}
    </svg>
  );
}

export function PageHead({ title, children }: { readonly title: ComponentChildren; readonly children?: ComponentChildren }) {
  return (
    <div class="page-head">
      <h1>{title}</h1>
      <div class="page-tools">{children}</div>
    </div>
  );
}

export function Card({
  title,
  tools,
  children,
  flush,
}: {
  readonly title?: ComponentChildren;
  readonly tools?: ComponentChildren;
  readonly children: ComponentChildren;
  readonly flush?: boolean;
}) {
  return (
    <section class={`card ${flush === true ? 'flush' : ''}`}>
      {title !== undefined && (
        <div class="card-head">
          <h2>{title}</h2>
          {tools !== undefined && <div class="card-tools">{tools}</div>}
        </div>
      )}
      {children}
    </section>
  );
}

export const Empty = ({ children }: { readonly children: ComponentChildren }) => <p class="empty">{children}</p>;

export function Problem({ error }: { readonly error: unknown }) {
  return error === null || error === undefined ? null : (
    <div class="notice fail" role="alert">
      {refusalText(error)}
    </div>
  );
}

export const Loading = () => (
  <p class="empty" role="status">
    Loading…
  </p>
);

/** Name and value pairs. */
export function Facts({ rows }: { readonly rows: readonly (readonly [string, ComponentChildren])[] }) {
  return (
    <dl class="facts">
      {rows.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

/** A wide table scrolls in itself; the keyboard reaches it then. */
export function Scroll({ label, children }: { readonly label: string; readonly children: ComponentChildren }) {
  return (
    <div class="scroll" role="region" aria-label={label} tabIndex={0}>
      {children}
    </div>
  );
}

export function DeniedOnly({ isOn, onChange }: { readonly isOn: boolean; readonly onChange: (isOn: boolean) => void }) {
  return (
    <label class="check">
      <input type="checkbox" checked={isOn} onChange={(event) => onChange(event.currentTarget.checked)} />
      Denied only
    </label>
  );
}
