// A line chart over time. Drawn by uPlot; its colours are those of the page.

import { useEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';

export interface Series {
  readonly name: string;
  readonly values: readonly (number | null)[];
  readonly tone: 'accent' | 'warn' | 'good';
}

interface ChartProps {
  readonly title: string;
  /** Seconds since the epoch. */
  readonly times: readonly number[];
  readonly series: readonly Series[];
  readonly show: (value: number) => string;
  readonly max?: number;
  /** The scale reaches at least this far, so that a little is not drawn as much. */
  readonly least?: number;
}

const HEIGHT = 170;

export function Chart({ title, times, series, show, max, least = 0 }: ChartProps) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const latest = series.map(({ name, values }) => {
    const last = values.findLast((value) => value !== null);
    return `${name} ${last === undefined || last === null ? '–' : show(last)}`;
  });
  const names = series.map(({ name, tone }) => `${name}:${tone}`).join();
  useEffect(() => {
    const element = place.current;
    if (element === null) return undefined;
    const make = (): void => {
      plot.current?.destroy();
      plot.current = new uPlot(options(element, series, show, max, least), data(times, series), element);
    };
    make();
    const resized = new ResizeObserver(() => plot.current?.setSize({ width: Math.max(120, element.clientWidth), height: HEIGHT }));
    resized.observe(element);
    // Colours are read once, so another scheme is another chart.
    const recoloured = new MutationObserver(make);
    recoloured.observe(document.documentElement, { attributes: true, attributeFilter: ['data-theme'] });
    return () => {
      resized.disconnect();
      recoloured.disconnect();
      plot.current?.destroy();
      plot.current = null;
    };
  }, [names, max, least]);
  useEffect(() => {
    plot.current?.setData(data(times, series));
  }, [times, series]);
  return (
    <figure class="chart">
      <figcaption>
        <span>{title}</span> <span class="muted">{latest.join(', ')}</span>
      </figcaption>
      <div ref={place} role="img" aria-label={`${title}: ${latest.join(', ')}`} />
    </figure>
  );
}

const data = (times: readonly number[], series: readonly Series[]): uPlot.AlignedData => [
  [...times],
  ...series.map(({ values }) => [...values]),
];

function options(
  element: HTMLElement,
  series: readonly Series[],
  show: (value: number) => string,
  max: number | undefined,
  least: number,
): uPlot.Options {
  const style = getComputedStyle(element);
  const colour = (name: string): string => style.getPropertyValue(`--${name}`).trim();
  const axis = {
    stroke: colour('muted'),
    grid: { stroke: colour('line'), width: 1 },
    ticks: { show: false },
    font: '12px system-ui, sans-serif',
  };
  return {
    width: Math.max(120, element.clientWidth),
    height: HEIGHT,
    legend: { show: false },
    cursor: { y: false, points: { size: 6 } },
    scales: { x: { time: true }, y: { range: (_plot, _low, high) => [0, max ?? Math.max(high * 1.15, least, 1e-6)] } },
    axes: [
      {
        ...axis,
        size: 30,
        space: 80,
        incrs: [5, 10, 30, 60, 120, 300, 600],
        values: (_plot, ticks) => ticks.map((tick) => new Date(tick * 1000).toLocaleTimeString('en-GB')),
      },
      { ...axis, size: 68, space: 40, values: (_plot, ticks) => ticks.map(show) },
    ],
    series: [
      {},
      ...series.map(({ name, tone }) => ({
        label: name,
        stroke: colour(tone),
        width: 1.8,
        fill: `${colour(tone)}1f`,
        points: { show: false },
      })),
    ],
  };
}
