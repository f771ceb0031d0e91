import type { Run } from '../run/run-file.js';
import { STARTS } from '../run/sample.js';
import { Samples } from '../run/samples.js';
import { type Distribution, type Summary, summarise } from '../statistics/summary.js';
import { formatCount, formatDuration, formatMs, formatRange } from './quantity.js';
import type { Cell, Table } from './table.js';

/** A percentile, and its 95 % interval or what it takes for one. No figure where the rank says nothing of it. */
export function percentileCell(
  found: Distribution,
  name: 'p50' | 'p90' | 'p95' | 'p99',
  timeoutMs: number,
): [figure: string, interval: string] {
  const { p, value, lower, upper, needed, warning } = found[name];
  const longer = `> ${formatDuration(timeoutMs)}`;
  const shown = value === null ? longer : formatMs(value);
  // Below that n the nearest rank of a high percentile is the maximum or close to it: no statement about it.
  if (warning !== null) return [found.n + found.censored >= needed || p === 0.5 ? shown : '', warning];
  // An end that is missing without a warning lies among the time-outs.
  if (lower === null) return [shown, longer];
  return [shown, upper === null ? `${formatMs(lower)} – ${longer}` : formatRange(lower, upper)];
}

const NOTE =
  '95 % intervals by whole bursts, or blocks of time. A percentile that would be little else than the slowest answer is not given.';

/**
 * A column for each class, so that cold and warm stand side by side, and one of all where there is more than one class or a
 * time-out; without rows where nothing was answered.
 */
export function percentiles({ latency }: Summary, timeoutMs: number): Table {
  const classes = STARTS.filter((start) => (latency[start]?.n ?? 0) > 0);
  const names = [...classes, ...(classes.length > 1 || latency.all?.censored ? (['all'] as const) : [])];
  if (names.length === 0) return { head: [], rows: [] };
  const row = (label: string, cell: (found: Distribution) => Cell): Cell[] => [
    label,
    ...names.map((name) => (latency[name] ? cell(latency[name]) : '')),
  ];
  const edge = (ms: number | null) => (ms === null ? '' : formatMs(ms));
  const rows = [
    row('n', ({ n, censored }) => `${formatCount(n)}${censored > 0 ? ` + ${formatCount(censored)} timed out` : ''}`),
    row('min', ({ min }) => edge(min)),
    ...(['p50', 'p90', 'p95', 'p99'] as const).map((name) =>
      row(name, (found) => percentileCell(found, name, timeoutMs)),
    ),
    row('max', ({ max }) => edge(max)),
  ];
  return { head: ['', ...names], rows, note: NOTE };
}

/** A row for each stage of an open model whose rate changes; without rows of another run. */
export function stages({ info, samples }: Run): Table {
  const head = ['a second', 'sent', 'ok', 'p50', 'p95'];
  if (!info.stages || info.stages.length < 2) return { head, rows: [] };
  let endMs = 0;
  const parts = info.stages.map((stage) => {
    endMs += stage.durationMs;
    return { ...stage, endMs, samples: new Samples() };
  });
  for (const sample of samples)
    (parts.find((part) => sample.intendedMs < part.endMs) ?? parts.at(-1))?.samples.push(sample);
  const rows = parts.map(({ from, to, samples }) => {
    const { sent, outcomes, latency } = summarise(samples, 'intended');
    const cell = (name: 'p50' | 'p95') => (latency.all ? percentileCell(latency.all, name, info.timeoutMs) : '');
    const rate = from === to ? `${from}` : `${from} to ${to}`;
    return [rate, formatCount(sent), formatCount(outcomes.ok), cell('p50'), cell('p95')];
  });
  return { head, rows };
}
