import { styleText } from 'node:util';
import type { Run } from '../run/run-file.js';
import { type LatencyFrom, latencyFrom, latencyMs, OUTCOMES, STARTS, type Start } from '../run/sample.js';
import { Samples } from '../run/samples.js';
import { type Summary, summarise } from '../statistics/summary.js';
import { formatCount, formatDuration, formatMs, readPercentile } from './quantity.js';
import { admissions, caveats, percentiles, plain, spreadOf, throughput, title, verdict } from './sentences.js';
import { blocks, table } from './table.js';

type Style = Parameters<typeof styleText>[0];

const MARKS: Record<Start, [mark: string, style: Style]> = {
  cold: ['●', 'cyan'],
  ahead: ['◐', 'green'],
  warm: ['○', 'yellow'],
  unknown: ['?', 'gray'],
};
const TIMEOUT: [mark: string, style: Style] = ['×', 'red'];

/**
 * A run for the terminal: verdict, accounting, cold and warm apart, one mark a request, what to make of it.
 * Coloured where standard output is a terminal, unless NO_COLOR is set.
 */
export function terminalReport(run: Run, summary: Summary): string {
  const counts = [accounting(summary), spread(run), throughput(summary), admissions(summary)];
  return blocks(
    [styleText('bold', title(run.info)), verdict(run, summary)],
    counts.filter((line): line is string => Boolean(line)),
    table95(summary, run.info.timeoutMs),
    stages(run),
    histogram(run),
    [...facts(summary), ...caveats(run, summary)],
  );
}

function accounting({ sent, outcomes }: Summary): string {
  const parts = OUTCOMES.filter((outcome) => outcomes[outcome] > 0).map((outcome) => `${outcomes[outcome]} ${outcome}`);
  return `sent ${sent} = ${parts.join(' + ')}`;
}

function spread(run: Run): string {
  const found = spreadOf(run);
  if (!found) return '';
  if (run.bursts.length === 1) return `first bytes sent within ${formatMs(found.most)}`;
  return `first bytes of a burst sent within ${formatMs(found.median)} (median), ${formatMs(found.most)} at most`;
}

function table95(summary: Summary, timeoutMs: number): string[] {
  const { names, rows } = percentiles(summary, timeoutMs);
  if (names.length === 0) return [];
  const lines = rows.map(({ label, cells }) => [
    label,
    ...cells.map(([value, interval]) => (value && interval ? `${value} [${interval}]` : value || interval)),
  ]);
  const styles: Style[] = ['dim', ...names.map((name): Style => (name === 'all' ? 'reset' : MARKS[name][1]))];
  const columns = styles.map((_, column) => column);
  return [
    ...table([['', ...names], ...lines], columns, styles),
    styleText('dim', '[95 % intervals by whole bursts, or blocks of time]'),
  ];
}

/** A row for each stage of an open model whose rate changes. */
function stages({ info, samples }: Run): string[] {
  if (!info.stages || info.stages.length < 2) return [];
  let endMs = 0;
  const ends = info.stages.map(({ durationMs }) => {
    endMs += durationMs;
    return endMs;
  });
  const parts = ends.map(() => new Samples());
  for (const sample of samples) {
    const at = ends.findIndex((end) => sample.intendedMs < end);
    parts.at(at)?.push(sample);
  }
  const rows = info.stages.map(({ from, to }, at) => {
    const { sent, outcomes, latency } = summarise(parts[at] ?? new Samples(), 'intended');
    const all = latency.all;
    const cell = (name: 'p50' | 'p95') => {
      const { value, interval } = all ? readPercentile(all[name], all, info.timeoutMs) : { value: null, interval: '' };
      return value === null ? interval : `${value} [${interval}]`;
    };
    return [
      from === to ? `${from}` : `${from} to ${to}`,
      formatCount(sent),
      formatCount(outcomes.ok),
      cell('p50'),
      cell('p95'),
    ];
  });
  return table([['a second', 'sent', 'ok', 'p50', 'p95'], ...rows]);
}

/** Lower ends of the bins in each decade. */
const STEPS = [1, 1.5, 2, 3, 5, 7];
const WIDTH = 60;

/** Latency on a logarithmic scale, one mark a request while they fit. */
function histogram({ info, samples }: Run): string[] {
  const { bins, timeouts } = count(samples, latencyFrom(info.mode));
  if (bins.size === 0) return [];
  const sizes = Array.from(bins.values(), (counts) => STARTS.reduce((sum, start) => sum + counts[start], 0));
  const perMark = Math.ceil(Math.max(...sizes, timeouts) / WIDTH);
  const marks = ([mark, style]: [string, Style], n: number) =>
    n === 0 ? '' : styleText(style, mark.repeat(Math.ceil(n / perMark)));
  const lines: string[] = [];
  let last: number | undefined;
  for (const [bin, counts] of [...bins].sort(([a], [b]) => a - b)) {
    if (last !== undefined && bin > last + 1) lines.push(`${' '.repeat(9)}⋮`);
    const row = STARTS.map((start) => marks(MARKS[start], counts[start]));
    lines.push(`${edge(bin).padStart(8)} – ${edge(bin + 1).padEnd(8)} ${row.join('')}`);
    last = bin;
  }
  if (timeouts > 0)
    lines.push(`${'over'.padStart(8)}   ${formatDuration(info.timeoutMs).padEnd(8)} ${marks(TIMEOUT, timeouts)}`);
  const seen = STARTS.filter((start) => Array.from(bins.values()).some((counts) => counts[start] > 0));
  const legend = seen.map((start) => styleText(MARKS[start][1], `${MARKS[start][0]} ${start}`));
  if (timeouts > 0) legend.push(styleText(TIMEOUT[1], `${TIMEOUT[0]} timeout`));
  const scale = perMark > 1 ? `   a mark is up to ${perMark} requests` : '';
  return [...lines, `${' '.repeat(20)}${legend.join('   ')}${scale}`];
}

function count(samples: Samples, from: LatencyFrom) {
  const bins = new Map<number, Record<Start, number>>();
  let timeouts = 0;
  for (const sample of samples) {
    if (sample.outcome === 'timeout') timeouts++;
    const latency = latencyMs(sample, from);
    if (latency === null) continue;
    const bin = binOf(latency);
    const counts = bins.get(bin) ?? { cold: 0, ahead: 0, warm: 0, unknown: 0 };
    counts[sample.start]++;
    bins.set(bin, counts);
  }
  return { bins, timeouts };
}

function binOf(ms: number): number {
  const decade = Math.floor(Math.log10(ms));
  const step = STEPS.findLastIndex((lowerEnd) => lowerEnd * 10 ** decade <= ms);
  // -1 where log10 rounded up to the next decade.
  return decade * STEPS.length + Math.max(0, step);
}

function edge(bin: number): string {
  const ms = (STEPS.at(bin % STEPS.length) ?? 1) * 10 ** Math.floor(bin / STEPS.length);
  return ms < 1000 ? `${Number(ms.toPrecision(2))} ms` : `${Number((ms / 1000).toPrecision(2))} s`;
}

function facts({ init, initTypes }: Summary): string[] {
  const lines: string[] = [];
  if (init?.p50.value && init.max) {
    lines.push(
      `init of the cold starts (server-timing): median ${formatMs(init.p50.value)}, max ${formatMs(init.max)}`,
    );
  }
  const types = Object.entries(initTypes).map(([type, n]) => `${n} ${plain(type)}`);
  if (types.length > 0) lines.push(`init type: ${types.join(', ')}`);
  return lines;
}
