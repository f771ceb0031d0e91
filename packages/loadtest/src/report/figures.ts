import * as Plot from '@observablehq/plot';
import { parseHTML } from 'linkedom';
import { STARTS } from '../run/sample.js';
import type { Summary } from '../statistics/summary.js';
import { Markup } from './markup.js';
import { formatDuration, formatMs } from './quantity.js';

/** What a request is drawn as: the start of its answer, or why there is none. */
export const KINDS = [...STARTS, 'refused', 'failed'] as const;

/** Each figure is drawn for a page and for a telephone: a picture that only shrinks cannot be read. */
const SIZES = [
  { name: 'wide', width: 720 },
  { name: 'narrow', width: 340 },
] as const;
type Size = (typeof SIZES)[number];

/** Told apart by shape too, for those who see no difference of colour. */
const SYMBOLS = ['circle', 'triangle', 'square', 'diamond', 'times', 'star'];
const SYMBOL = { domain: KINDS, range: SYMBOLS };
const DASHES: Record<string, string> = { cold: 'none', ahead: '8 3', warm: '3 2', unknown: '1 3' };
const COLOUR = { domain: KINDS, range: KINDS.map((kind) => `var(--${kind})`) };
const { document } = parseHTML('<html></html>');

/** @param label says to those who cannot see it what the figure shows */
export function draw(label: string, options: (size: Size) => Plot.PlotOptions): Markup {
  const drawn = SIZES.map((size) => {
    const svg = Plot.plot({
      ...{
        document,
        width: size.width,
        marginLeft: 56,
        marginRight: 20,
        marginTop: 26,
        marginBottom: 42,
        ariaLabel: label,
        color: COLOUR,
        symbol: SYMBOL,
      },
      ...options(size),
    });
    svg.setAttribute('role', 'img');
    svg.classList.add(size.name);
    // Its style element is the page's; a hundredth of a pixel is enough for a path.
    svg.querySelector('style')?.remove();
    return svg.outerHTML.replace(/(?<= (?:d|transform|[xy][12]?|c[xy])="[^"]*\.\d\d)\d+/g, '');
  });
  return new Markup(drawn.join(''));
}

/** A scale of values that all lie above 0, and its axis: logarithmic, unless the values are close together. */
export function scale(
  values: readonly number[],
  margin: number,
  most: number,
  axis: typeof Plot.axisX,
  text: (value: number) => string,
  label: string,
) {
  const domain = [Math.min(...values) / margin, Math.max(...values) * margin] as const;
  const linear = domain[1] < 5 * domain[0];
  const decades = Array.from({ length: 9 }, (_, i) => 10 ** (i - 2));
  const within = (steps: number[]) =>
    decades
      .flatMap((decade) => steps.map((step) => step * decade))
      .filter((tick) => tick >= domain[0] && tick <= domain[1]);
  const round = [[1, 2, 5], [1, 3], [1]].map(within);
  const ticks = linear ? most : (round.find(({ length }) => length <= most) ?? round[2] ?? []);
  // As `text`, because of a logarithmic axis Plot leaves every other `tickFormat` out.
  return {
    scale: { type: linear ? ('linear' as const) : ('log' as const), domain, label: null },
    axis: axis({ ticks, text, tickSize: 0, label, labelArrow: 'none' }),
    grid: axis === Plot.axisX ? Plot.gridX({ ticks }) : Plot.gridY({ ticks }),
  };
}

export const formatTick = (ms: number) => formatDuration(Number(ms.toPrecision(6)));

/** Below so many independent answers a band says nothing. */
export const LEAST_WORTH = 6;
/** Points of one curve: enough for any screen. */
const POINTS = 80;

/**
 * How many answers of each class took no longer than a time, with the band in which, with 95 % confidence, the whole
 * curve of the target lies (Dvoretzky, Kiefer and Wolfowitz, with Massart's constant), of so many independent answers as
 * these are worth at their median.
 */
export function distributionFigure({ latency, pools }: Summary): Markup {
  const curves = STARTS.flatMap((start) => {
    const { complete } = pools[start];
    return complete.length > 0 ? [curve(start, complete, latency[start]?.p50.worth ?? 0)] : [];
  });
  curves.sort((a, b) => a.medianMs - b.medianMs);
  const points = curves.flatMap(({ points }) => points);
  const banded = curves.filter(({ worth }) => worth >= LEAST_WORTH).flatMap(({ points }) => points);
  const xs = points.map(({ ms }) => ms);
  // Left of the first curve and right of the last there is room for a label, whatever they look like.
  const labels = curves.length === 1 ? curves : [curves[0], curves.at(-1)].filter((found) => found !== undefined);
  const shares = [0, 0.25, 0.5, 0.75, 0.9, 1];
  return draw('Share of the answers that took no longer than a time, by class', ({ name }) => {
    const times = scale(xs, 1.8, name === 'wide' ? 10 : 4, Plot.axisX, formatTick, 'latency');
    return {
      height: name === 'wide' ? 300 : 240,
      x: times.scale,
      y: { domain: [0, 1], label: null },
      marks: [
        times.axis,
        Plot.axisY({
          ...{ ticks: shares, tickSize: 0, label: 'share of answers', labelArrow: 'none' },
          text: (share: number) => `${share * 100} %`,
        }),
        Plot.gridY({ ticks: shares }),
        Plot.areaY(banded, {
          ...{ x: 'ms', y1: 'lower', y2: 'upper', fill: 'start', fillOpacity: 0.16, curve: 'step-after' },
        }),
        ...curves.map((found) =>
          Plot.lineY(found.points, {
            ...{ x: 'ms', y: 'share', stroke: 'start', strokeWidth: 2, curve: 'step-after' },
            strokeDasharray: DASHES[found.start] ?? 'none',
          }),
        ),
        Plot.dot(curves, { x: 'medianMs', y: () => 0.5, fill: 'start', symbol: 'start', r: 4, stroke: 'var(--paper)' }),
        ...(name === 'wide' ? labels : []).map((label, i) => {
          const left = i === 0 && labels.length > 1;
          return Plot.text([label], {
            ...{ x: 'medianMs', y: () => 0.5, text: () => `${label.start} ${formatMs(label.medianMs)}`, fill: 'start' },
            ...(left ? { textAnchor: 'end', dx: -10, dy: -10 } : { textAnchor: 'start', dx: 10, dy: 12 }),
            ...{ stroke: 'var(--paper)', strokeWidth: 4, fontWeight: 600 },
          });
        }),
      ],
    };
  });
}

function curve(start: string, sorted: Float64Array, worth: number) {
  const n = sorted.length;
  const band = Math.sqrt(Math.log(2 / 0.05) / (2 * Math.max(1, worth)));
  const ranks = Array.from({ length: Math.min(n, POINTS) }, (_, i) => Math.ceil(((i + 1) * n) / Math.min(n, POINTS)));
  const at = (rank: number, share: number) => ({
    ...{ start, ms: sorted[rank - 1] ?? 0, share },
    ...{ lower: Math.max(0, share - band), upper: Math.min(1, share + band) },
  });
  const points = [at(1, 0), ...ranks.map((rank) => at(rank, rank / n))];
  return { start, worth, points, medianMs: sorted[Math.ceil(n / 2) - 1] ?? 0 };
}
