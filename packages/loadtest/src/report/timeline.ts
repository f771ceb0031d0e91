import * as Plot from '@observablehq/plot';
import type { Run } from '../run/run-file.js';
import { latencyFrom } from '../run/sample.js';
import { draw, formatTick, type KINDS, scale } from './figures.js';
import type { Markup } from './markup.js';
import { formatCount } from './quantity.js';

/** A request on the time axis of its burst, or of a run without bursts; ms. */
interface Request {
  burst: number;
  /** When its latency begins. */
  fromMs: number;
  /** When its answer was complete, or, of a time-out, when it was given up. */
  toMs: number;
  kind: (typeof KINDS)[number];
}

/** Those whose end is known, in the order of the run. */
export function requestsOf({ info, samples }: Run): Request[] {
  const requests: Request[] = [];
  for (const { burst, sentMs, intendedMs, lastByteMs, outcome, start } of samples) {
    const toMs = outcome === 'timeout' ? sentMs + info.timeoutMs : lastByteMs;
    if (toMs === null) continue;
    const refused = outcome === 'kong-429' || outcome === 'lambda-429';
    const kind = outcome === 'ok' ? start : refused ? 'refused' : 'failed';
    requests.push({ burst, fromMs: latencyFrom(info.mode) === 'sent' ? sentMs : intendedMs, toMs, kind });
  }
  return requests;
}

/** Lines of a timeline: more cannot be told apart. */
const LINES = 160;

/** Requests of some bursts, each a line from its release to the last byte of its answer, in the order of their ends. */
export function burstFigure(requests: readonly Request[]): { figure: Markup; note: string } {
  const bursts = new Map<number, Request[]>();
  for (const request of requests) {
    const mine = bursts.get(request.burst);
    if (mine) mine.push(request);
    else bursts.set(request.burst, [request]);
  }
  const numbers = [...bursts.keys()];
  const size = Math.max(...Array.from(bursts.values(), ({ length }) => length));
  const chosen = evenly(numbers, Math.max(1, Math.floor(LINES / size)));
  const step = Math.ceil(size / LINES);
  let row = 0;
  const groups = chosen.map((burst) => {
    const mine = (bursts.get(burst) ?? []).sort((a, b) => a.toMs - b.toMs).filter((_, i) => i % step === 0);
    // A gap before each burst but the first.
    if (row > 0) row += 2;
    return { burst, at: row, lines: mine.map((request) => ({ ...request, row: row++ })) };
  });
  const lines = groups.flatMap((group) => group.lines);
  const rowHeight = Math.min(11, Math.max(3, 260 / row));
  // A time-out may be a hundred times as long as any answer: its line ends at the edge.
  const answered = lines.filter(({ kind }) => kind !== 'failed');
  const end = 1.02 * Math.max(...(answered.length > 0 ? answered : lines).map(({ toMs }) => toMs));
  const drawn = lines.map((line) => ({ ...line, toMs: Math.min(line.toMs, end) }));
  const ends = drawn.map(({ toMs }) => Math.max(0.01, toMs));
  let log = false;
  const figure = draw('Each request of a burst as a line from its release to its last byte', ({ name }) => {
    // Warm answers beside cold ones: a logarithmic axis has room for both.
    const times = scale([...ends, end], 1.3, name === 'wide' ? 8 : 4, Plot.axisX, formatTick, 'since the release');
    log = times.scale.type === 'log';
    const least = log ? times.scale.domain[0] : 0;
    return {
      ...{ height: Math.ceil(row * rowHeight) + 52, marginTop: 8, marginBottom: 44 },
      x: { ...times.scale, domain: [least, end] },
      y: { domain: [row, -1], axis: null },
      marks: [
        ...[times.axis, times.grid],
        Plot.ruleY(drawn, {
          ...{
            y: 'row',
            x1: ({ fromMs }: Request) => Math.max(least, fromMs),
            x2: 'toMs',
            stroke: 'kind',
            strokeWidth: Math.min(3, rowHeight * 0.6),
          },
        }),
        ...(rowHeight > 6 ? [Plot.dot(drawn, { x: 'toMs', y: 'row', fill: 'kind', symbol: 'kind', r: 3 })] : []),
        ...(numbers.length > 1
          ? [
              Plot.text(groups, {
                ...{ x: () => least, y: 'at', text: ({ burst }) => `burst ${burst + 1}`, dx: -8, dy: -4 },
                ...{ textAnchor: 'end', lineAnchor: 'top' },
              }),
            ]
          : []),
      ],
    };
  });
  const which = chosen.length < numbers.length ? `${chosen.length} of ${numbers.length} bursts` : '';
  const each = step > 1 ? `one request of ${step}` : '';
  const shown = [which, each].filter(Boolean).join(', ');
  const late = lines.some(({ toMs }) => toMs > end);
  return {
    figure,
    note: `${log ? ' The axis is logarithmic.' : ''}${shown && ` Shown: ${shown}.`}${late ? ' What failed after the last answer ends at the edge.' : ''}`,
  };
}

/** Requests that a cloud of dots shows besides the slowest. */
const DOTS = 240;
const SLOWEST = 60;

/** Requests of a run without bursts: when they were due, and how long they took. */
export function courseFigure(requests: readonly Request[]): { figure: Markup; note: string } {
  const dots = requests
    .map(({ fromMs, toMs, kind }) => ({ fromMs, ms: toMs - fromMs, kind }))
    .filter(({ ms }) => ms > 0);
  const slowest = new Set([...dots].sort((a, b) => b.ms - a.ms).slice(0, SLOWEST));
  const shown = evenly(dots, DOTS)
    .filter((dot) => !slowest.has(dot))
    .concat(...slowest);
  const all = shown.map(({ ms }) => ms);
  const times = scale(all, 1.2, 6, Plot.axisY, formatTick, 'latency');
  const figure = draw('Latency of requests in the course of the run', ({ name }) => ({
    height: name === 'wide' ? 280 : 240,
    x: {
      label: 'when it was due',
      labelArrow: 'none',
      ticks: name === 'wide' ? 8 : 4,
      tickFormat: formatTick,
      tickSize: 0,
    },
    y: times.scale,
    marks: [
      times.axis,
      times.grid,
      Plot.dot(shown, { x: 'fromMs', y: 'ms', fill: 'kind', symbol: 'kind', r: 2.5, fillOpacity: 0.75 }),
    ],
  }));
  const some = ` Shown: ${shown.length} of ${formatCount(dots.length)}, the ${SLOWEST} slowest among them.`;
  return { figure, note: shown.length < dots.length ? some : '' };
}

/** So many of a list, evenly, with the first and the last. */
function evenly<T>(list: readonly T[], count: number): T[] {
  if (list.length <= count) return [...list];
  return Array.from(
    { length: count },
    (_, i) => list[Math.round((i * (list.length - 1)) / Math.max(1, count - 1))] as T,
  );
}
