import * as Plot from '@observablehq/plot';
import type { MemoryRow } from '../plan/memory.js';
import type { PlanRow } from '../plan/plan.js';
import { draw, formatTick, scale } from './figures.js';
import type { Markup } from './markup.js';

const formatUsd = (usd: number) => `$${usd < 1 ? usd.toFixed(2) : Number(usd.toPrecision(2))}`;

/** Dollars a month against p95: each setting is a point for each way to pay for it. */
export function planFigure(plans: readonly PlanRow[]): Markup {
  const points = plans.flatMap(({ n, provisioned, p95, dollarsAMonth, measured }) => {
    const at = (usd: number, scheduled: boolean) => ({
      ...{
        burst: `${n} at once`,
        name: measured ? '' : provisioned === 0 ? 'on demand' : `P ${provisioned}`,
        usd,
        ms: p95.value,
        scheduled,
        measured,
      },
      ...{ lower: p95.lower ?? p95.value, upper: p95.upper ?? p95.value },
    });
    if (provisioned === 0) return [at(dollarsAMonth.onDemand, false)];
    return [at(dollarsAMonth.provisioned, false), at(dollarsAMonth.scheduled, true)];
  });
  const bursts = [...new Set(points.map(({ burst }) => burst))];
  const [usd, ms] = [points.map((point) => point.usd), points.flatMap(({ lower, upper }) => [lower, upper])];
  const place = { x: 'usd', y: 'ms', fy: 'burst' };
  return draw('Dollars a month against the 95th percentile of latency, for each setting', ({ name }) => {
    const times = scale(ms, 1.5, 7, Plot.axisY, formatTick, 'p95');
    const dollars = scale(usd, 1.9, name === 'wide' ? 9 : 4, Plot.axisX, formatUsd, 'a month');
    return {
      ...{ height: 62 + 230 * bursts.length, marginTop: 24 },
      ...{ x: dollars.scale, y: times.scale, fy: { domain: bursts, label: null, axis: null, padding: 0.12 } },
      marks: [
        ...[dollars.axis, dollars.grid, times.axis, times.grid],
        Plot.text(bursts, { fy: (burst) => burst, text: (burst) => burst, frameAnchor: 'bottom-left', dx: 6, dy: -6 }),
        Plot.ruleX(points, { x: 'usd', y1: 'lower', y2: 'upper', fy: 'burst', stroke: 'var(--soft)' }),
        Plot.dot(
          points.filter(({ scheduled }) => !scheduled),
          { ...place, r: 4.5, fill: 'var(--ink)' },
        ),
        Plot.dot(
          points.filter(({ scheduled }) => scheduled),
          {
            ...{ ...place, r: 4.5, symbol: 'square', fill: 'var(--paper)', stroke: 'var(--ink)' },
          },
        ),
        Plot.dot(
          points.filter(({ measured, scheduled }) => measured && !scheduled),
          {
            ...{ ...place, r: 9, stroke: 'var(--refused)', strokeWidth: 2 },
          },
        ),
        // What is provisioned always stands right of its schedule: one label above, the other below.
        ...[true, false].map((below) =>
          Plot.text(
            points.filter(({ scheduled }) => scheduled === below),
            {
              ...{ ...place, text: 'name', dx: below ? -9 : 9, dy: below ? 12 : -9 },
              ...{ textAnchor: below ? 'end' : 'start', fill: 'var(--ink)', stroke: 'var(--paper)', strokeWidth: 4 },
            },
          ),
        ),
      ],
    };
  });
}

/** Cost against speed by memory size: what was measured is filled. */
export function memoryFigure(rows: readonly MemoryRow[]): Markup {
  const points = rows
    .flatMap(({ memoryMb, warm, usd, measured }) =>
      warm && usd !== null ? [{ memoryMb, name: `${memoryMb} MB`, ms: warm.value, usd, measured }] : [],
    )
    .sort((one, other) => one.memoryMb - other.memoryMb);
  const place = { x: 'usd', y: 'ms' };
  return draw('Dollars a thousand warm answers against their median, by memory size', ({ name }) => {
    const [usd, ms] = [points.map((point) => point.usd), points.map((point) => point.ms)];
    const times = scale(ms, 1.3, 6, Plot.axisY, formatTick, 'median of a warm answer');
    const dollars = scale(
      usd,
      1.3,
      name === 'wide' ? 8 : 4,
      Plot.axisX,
      (value) => `$${Number(value.toPrecision(2))}`,
      'a thousand answers',
    );
    return {
      ...{ height: 280, marginTop: 24, x: dollars.scale, y: times.scale },
      marks: [
        ...[dollars.axis, dollars.grid, times.axis, times.grid],
        Plot.line(points, { ...place, stroke: 'var(--soft)' }),
        Plot.dot(points, { ...place, r: 4.5, fill: 'var(--paper)', stroke: 'var(--ink)' }),
        Plot.dot(
          points.filter(({ measured }) => measured),
          { ...place, r: 4.5, fill: 'var(--ink)' },
        ),
        Plot.text(points, { ...place, text: 'name', dx: 9, dy: -9, textAnchor: 'start', fill: 'var(--ink)' }),
      ],
    };
  });
}
