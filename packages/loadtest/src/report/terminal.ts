import { styleText } from 'node:util';
import type { Run } from '../run/run-file.js';
import { STARTS, type Start } from '../run/sample.js';
import type { Summary } from '../statistics/summary.js';
import { caveats } from './caveats.js';
import { percentiles, stages } from './percentiles.js';
import { formatDuration } from './quantity.js';
import { counts, title, verdict } from './sentences.js';
import { blocks, type Style, tableLines } from './table.js';

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
  const { timeoutMs } = run.info;
  const table = percentiles(summary, timeoutMs);
  const styles = table.head.map((name): Style => (name in MARKS ? MARKS[name as Start][1] : name ? 'reset' : 'dim'));
  return blocks(
    [styleText('bold', title(run.info)), verdict(run, summary)],
    counts(run, summary),
    tableLines(table, styles),
    tableLines(stages(run)),
    histogram(summary, timeoutMs),
    caveats(run, summary),
  );
}

/** Lower ends of the bins in each decade. */
const STEPS = [1, 1.5, 2, 3, 5, 7];
const WIDTH = 60;

/** Latency on a logarithmic scale, one mark a request while they fit. */
function histogram({ pools, outcomes: { timeout } }: Summary, timeoutMs: number): string[] {
  const bins = new Map<number, Record<Start, number>>();
  for (const start of STARTS) {
    for (const ms of pools[start].complete) {
      const bin = binOf(ms);
      const counts = bins.get(bin) ?? { cold: 0, ahead: 0, warm: 0, unknown: 0 };
      counts[start]++;
      bins.set(bin, counts);
    }
  }
  if (bins.size === 0) return [];
  const sizes = Array.from(bins.values(), (counts) => STARTS.reduce((sum, start) => sum + counts[start], 0));
  const perMark = Math.ceil(Math.max(...sizes, timeout) / WIDTH);
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
  const seen = STARTS.filter((start) => pools[start].complete.length > 0);
  const legend = seen.map((start) => styleText(MARKS[start][1], `${MARKS[start][0]} ${start}`));
  if (timeout > 0) {
    lines.push(`${'over'.padStart(8)}   ${formatDuration(timeoutMs).padEnd(8)} ${marks(TIMEOUT, timeout)}`);
    legend.push(styleText(TIMEOUT[1], `${TIMEOUT[0]} timeout`));
  }
  const scale = perMark > 1 ? `   a mark is up to ${perMark} requests` : '';
  return [...lines, `${' '.repeat(20)}${legend.join('   ')}${scale}`];
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
