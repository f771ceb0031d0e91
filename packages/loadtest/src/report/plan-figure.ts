import * as Plot from '@observablehq/plot';
import type { MemoryRow } from '../plan/memory.js';
import type { PlanRow } from '../plan/rows.js';
import { draw, formatTick, scale } from './figures.js';
import type { Markup } from './markup.js';

const formatUsd = (usd: number) => `$${Number(usd.toPrecision(2))}`;
const FILLED = { r: 4.5, fill: 'var(--ink)' };
const HOLLOW = { r: 4.5, fill: 'var(--paper)', stroke: 'var(--ink)' };
const NAME = { text: 'name', fill: 'var(--ink)', stroke: 'var(--paper)', strokeWidth: 4 };
const [ABOVE, BELOW] = [
  { textAnchor: 'start', dx: 9, dy: -9 },
  { textAnchor: 'end', dx: -9, dy: 12 },
] as const;

/** Cost against speed: dollars from left to right, milliseconds upwards. */
function costFigure(
  label: string,
  points: readonly { usd: number; lower: number; upper: number }[],
  axes: { usd: string; ms: string },
  { marks = [], ...options }: Plot.PlotOptions,
): Markup {
  const [usd, ms] = [points.map((point) => point.usd), points.flatMap(({ lower, upper }) => [lower, upper])];
  return draw(label, ({ name }) => {
    const dollars = scale(usd, 1.9, name === 'wide' ? 6 : 4, Plot.axisX, formatUsd, axes.usd);
    const times = scale(ms, 1.5, 7, Plot.axisY, formatTick, axes.ms);
    return {
      ...{ marginTop: 24, x: dollars.scale, y: times.scale, ...options },
      marks: [dollars.axis, dollars.grid, times.axis, times.grid, ...marks],
    };
  });
}

/** Dollars a month against p95: each setting is a point for each way to pay for it. */
export function planFigure(plans: readonly PlanRow[]): Markup {
  const points = plans.flatMap(({ n, provisioned, p95, dollarsAMonth, measured }) => {
    const name = measured ? '' : provisioned === 0 ? 'on demand' : `P ${provisioned}`;
    const { value: ms, lower, upper } = p95;
    const ends = { lower: lower ?? ms, upper: upper ?? ms };
    const point = { burst: `${n} at once`, name, measured, scheduled: false, ms, ...ends };
    if (provisioned === 0) return [{ ...point, usd: dollarsAMonth.onDemand }];
    const { provisioned: always, scheduled } = dollarsAMonth;
    return [
      { ...point, usd: always },
      { ...point, usd: scheduled, scheduled: true },
    ];
  });
  const bursts = [...new Set(points.map(({ burst }) => burst))];
  const [always, scheduled] = [false, true].map((which) => points.filter(({ scheduled }) => scheduled === which));
  const measured = always?.filter(({ measured }) => measured);
  const place = { x: 'usd', y: 'ms', fy: 'burst' };
  return costFigure(
    'Dollars a month against the 95th percentile of latency, for each setting',
    points,
    { usd: 'a month', ms: 'p95' },
    {
      height: 62 + 230 * bursts.length,
      fy: { domain: bursts, label: null, axis: null, padding: 0.12 },
      marks: [
        Plot.text(bursts, { fy: (burst) => burst, text: (burst) => burst, frameAnchor: 'bottom-left', dx: 6, dy: -6 }),
        Plot.ruleX(points, { x: 'usd', y1: 'lower', y2: 'upper', fy: 'burst', stroke: 'var(--soft)' }),
        Plot.dot(always, { ...place, ...FILLED }),
        Plot.dot(scheduled, { ...place, ...HOLLOW, symbol: 'square' }),
        Plot.dot(measured, { ...place, r: 9, stroke: 'var(--refused)', strokeWidth: 2 }),
        // What is provisioned always stands right of its schedule: one label above, the other below.
        Plot.text(always, { ...place, ...NAME, ...ABOVE }),
        Plot.text(scheduled, { ...place, ...NAME, ...BELOW }),
      ],
    },
  );
}

/** Cost against speed by memory size: what was measured is filled. */
export function memoryFigure(rows: readonly MemoryRow[]): Markup {
  const inOrder = [...rows].sort((one, other) => one.memoryMb - other.memoryMb);
  const points = inOrder.flatMap(({ memoryMb, warm, usd, measured }) => {
    if (!warm || usd === null) return [];
    const ms = warm.value;
    return [{ name: `${memoryMb} MB`, ms, lower: ms, upper: ms, usd, measured }];
  });
  const place = { x: 'usd', y: 'ms' };
  return costFigure(
    'Dollars a thousand warm answers against their median, by memory size',
    points,
    { usd: 'a thousand answers', ms: 'median of a warm answer' },
    {
      height: 280,
      marks: [
        Plot.line(points, { ...place, stroke: 'var(--soft)' }),
        Plot.dot(points, { ...place, ...HOLLOW }),
        Plot.dot(
          points.filter(({ measured }) => measured),
          { ...place, ...FILLED },
        ),
        Plot.text(points, { ...place, ...NAME, ...ABOVE }),
      ],
    },
  );
}
