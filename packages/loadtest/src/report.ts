import { styleText } from 'node:util';
import type { Percentile } from './percentile.js';
import { latencyMs, OUTCOMES, type Outcome, type Sample, STARTS, type Start } from './sample.js';
import type { Distribution, Summary } from './summary.js';

type Style = Parameters<typeof styleText>[0];

const MARKS: Record<Start, [mark: string, style: Style]> = {
  cold: ['●', 'cyan'],
  warm: ['○', 'yellow'],
  unknown: ['?', 'gray'],
};

/** What a person needs to know about the outcomes that are not latency. */
const NOTES: Partial<Record<Outcome, string>> = {
  'kong-429': "kong-429: this key's rate limit; it opens again with the next minute.",
  'lambda-429': "lambda-429: the function's concurrency; waiting for the next minute does not help.",
  timeout: 'timeout: these took longer than the limit, so true latencies are longer than the table.',
  cut: 'cut: still without an answer when the run ended.',
};

export interface ReportOptions {
  /** What was run, in a few words. */
  title: string;
  /** Of a burst, ms; null for sustained load. */
  spreadMs: number | null;
}

/**
 * A run for the terminal: verdict, accounting, cold and warm apart, one mark a request, what to make of it.
 * Coloured where standard output is a terminal, unless NO_COLOR is set.
 */
export function report(samples: readonly Sample[], summary: Summary, { title, spreadMs }: ReportOptions): string {
  const blocks = [
    `${styleText('bold', title)}\n${verdict(summary)}`,
    accounting(summary) + (spreadMs === null ? '' : `\nfirst bytes sent within ${formatMs(spreadMs)}`),
    table(summary),
    histogram(samples),
    notes(samples, summary, spreadMs === null).join('\n'),
  ];
  return `${blocks.filter(Boolean).join('\n\n')}\n`;
}

function verdict({ sent, outcomes, statuses, latency }: Summary): string {
  if (outcomes.ok === 0) {
    const seen = Object.entries(statuses).map(([status, n]) => `HTTP ${status} × ${n}`);
    return `None of ${sent} requests succeeded${seen.length > 0 ? ` (${seen.join(', ')})` : ''}.`;
  }
  const parts = STARTS.flatMap((start) => {
    const found = latency[start];
    return found ? [`${found.n} ${start} (median ${formatMs(found.p50.value)})`] : [];
  });
  const { cold, warm } = latency;
  const ratio =
    cold && warm && hasInterval(cold) && hasInterval(warm)
      ? `; cold took ${(cold.p50.value / warm.p50.value).toPrecision(2)} times as long`
      : '';
  return `${outcomes.ok} of ${sent} requests succeeded: ${parts.join(', ')}${ratio}.`;
}

/** Whether there are enough values to say something about the median. */
function hasInterval({ n, p50 }: Distribution): boolean {
  return n >= p50.needed;
}

function accounting({ sent, outcomes }: Summary): string {
  const parts = OUTCOMES.filter((outcome) => outcomes[outcome] > 0).map((outcome) => `${outcomes[outcome]} ${outcome}`);
  return `sent ${sent} = ${parts.join(' + ')}`;
}

function table({ latency }: Summary): string {
  const rows = STARTS.flatMap((start) => (latency[start] ? [[start, ...cells(latency[start])]] : []));
  if (rows.length === 0) return '';
  const all = [['', 'n', 'min', 'p50 [95 % interval]', 'p95 [95 % interval]', 'max'], ...rows];
  const widths = all[0]?.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0))) ?? [];
  return all
    .map((row, index) => {
      const line = row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)));
      return styleText(index === 0 ? 'dim' : MARKS[row[0] as Start][1], line.join('   '));
    })
    .join('\n');
}

function cells({ n, min, p50, p95, max }: Distribution): string[] {
  const interval = ({ lower, upper, needed }: Percentile) =>
    lower === null || upper === null ? `need n ≥ ${needed}` : `${formatMs(lower)} – ${formatMs(upper)}`;
  return [
    String(n),
    formatMs(min),
    `${formatMs(p50.value)} [${interval(p50)}]`,
    // Below that n the nearest rank is the maximum or close to it: no statement about the 95th percentile.
    n < p95.needed ? `need n ≥ ${p95.needed}` : `${formatMs(p95.value)} [${interval(p95)}]`,
    formatMs(max),
  ];
}

/** Lower ends of the bins in each decade. */
const STEPS = [1, 1.5, 2, 3, 5, 7];
const WIDTH = 60;

/** Latency on a logarithmic scale, one mark a request while they fit. */
function histogram(samples: readonly Sample[]): string {
  const bins = new Map<number, Record<Start, number>>();
  for (const sample of samples) {
    const latency = latencyMs(sample);
    if (latency === null) continue;
    const bin = binOf(latency);
    const counts = bins.get(bin) ?? { cold: 0, warm: 0, unknown: 0 };
    counts[sample.start]++;
    bins.set(bin, counts);
  }
  if (bins.size === 0) return '';
  const sizes = Array.from(bins.values(), ({ cold, warm, unknown }) => cold + warm + unknown);
  const perMark = Math.ceil(Math.max(...sizes) / WIDTH);
  const lines: string[] = [];
  let last: number | undefined;
  for (const [bin, counts] of [...bins].sort(([a], [b]) => a - b)) {
    if (last !== undefined && bin > last + 1) lines.push(`${' '.repeat(9)}⋮`);
    const marks = STARTS.map((start) => {
      const [mark, style] = MARKS[start];
      return counts[start] === 0 ? '' : styleText(style, mark.repeat(Math.ceil(counts[start] / perMark)));
    });
    lines.push(`${edge(bin).padStart(8)} – ${edge(bin + 1).padEnd(8)} ${marks.join('')}`);
    last = bin;
  }
  const legend = STARTS.map((start) => styleText(MARKS[start][1], `${MARKS[start][0]} ${start}`)).join('   ');
  const scale = perMark > 1 ? `   a mark is up to ${perMark} requests` : '';
  return `${lines.join('\n')}\n${' '.repeat(20)}${legend}${scale}`;
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

function notes(samples: readonly Sample[], summary: Summary, sustained: boolean) {
  const { outcomes, statuses, latency, init, initTypes } = summary;
  const lines: string[] = [];
  if (init) {
    lines.push(
      `init of the cold starts (server-timing): median ${formatMs(init.p50.value)}, max ${formatMs(init.max)}`,
    );
  }
  const types = Object.entries(initTypes).map(([type, n]) => `${n} ${type}`);
  if (types.length > 0) lines.push(`init type: ${types.join(', ')}`);
  if (latency.unknown) lines.push('unknown: the answer has no x-ner-cold-start header, so nobody can tell.');
  for (const outcome of OUTCOMES) if (outcomes[outcome] > 0 && NOTES[outcome]) lines.push(NOTES[outcome]);
  if (statuses['404']) lines.push('HTTP 404: no route matches; url must include the route, e.g. /nlp/ner.');
  const errors = new Set(
    samples.flatMap(({ outcome, error }) => (outcome === 'connection-error' && error ? [error] : [])),
  );
  if (errors.size > 0) lines.push(`connection-error: ${[...errors].join(', ')}`);
  if (!sustained && Object.values(latency).some((found) => found && hasInterval(found))) {
    lines.push('one burst: its requests share a queue, so the intervals, made for independent ones, are too narrow.');
  }
  if (sustained) lines.push('closed loop: a slow answer holds back the next request; nobody waits in a queue here.');
  return lines;
}

/** Three digits that matter: 5.3 ms, 181 ms, 2.31 s. */
export function formatMs(ms: number): string {
  if (ms < 1000) return `${ms.toFixed(ms < 10 ? 1 : 0)} ms`;
  return `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`;
}
