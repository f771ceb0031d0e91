import { InputError } from './input-error.js';
import { METRICS, type Metric, read } from './metric.js';
import { rankInterval } from './percentile.js';
import { formatMs, formatShare } from './report/quantity.js';
import { type LatencyFrom, latencyMs } from './sample.js';
import type { Kept } from './samples.js';
import type { Summary } from './summary.js';

/** What a run shows of a statement: that it holds, that it does not, or neither with 95 % confidence. */
export type Verdict = 'held' | 'broken' | 'undecided';

/** What must not be exceeded. */
export interface Threshold {
  /** As it was given. */
  text: string;
  metric: Metric;
  bound: number;
  /** Of the bound. A share is between 0 and 1; an increase, of a comparison alone, is the greatest that passes. */
  unit: 'ms' | 'requests' | 'share' | 'increase';
}

export interface Judgement {
  threshold: Threshold;
  verdict: Verdict;
  /** What was measured, and where undecided how much more it would take. */
  sentence: string;
}

/**
 * Reads what `--fail-if` was given.
 *
 * `run`: `warm.p95 > 250ms`, `timeout > 0` (requests), `5xx > 1%` (of what was sent), `cold.share > 20%` (of the answers
 * that tell). `compare`: `warm.p50 > +10%`; of an outcome `timeout > +1%`, of what was sent.
 *
 * @throws {InputError}
 */
export function parseThreshold(text: string, command: 'run' | 'compare'): Threshold {
  const [, name = '', written = ''] = /^\s*([^>\s]+)\s*>(.+)$/.exec(text) ?? [];
  const metric = METRICS.find((one) => one.name === name);
  const forms = command === 'compare' ? [INCREASE] : !metric || metric.of === 'latency' ? [TIME] : [SHARE, COUNT];
  if (!metric) {
    const names =
      'all, cold, ahead or warm with .p50, .p90, .p95, .p99 or .max; cold.share; an outcome such as timeout';
    throw new InputError(`--fail-if '${text}' must be like 'warm.p95 > ${forms[0]?.example}', of ${names}.`);
  }
  if (name === 'cold.share' && command === 'run') forms.pop();
  for (const { pattern, unit, scale } of forms) {
    const [, number, suffix = ''] = pattern.exec(written.replaceAll(' ', '')) ?? [];
    if (number !== undefined) return { text, metric, bound: Number(number) * (scale[suffix] ?? 1), unit };
  }
  const examples = forms.map(({ example }) => `'${name} > ${example}'`).join(' or ');
  throw new InputError(`--fail-if '${text}' has no bound that ${name} can have; write ${examples}.`);
}

interface Form {
  pattern: RegExp;
  unit: Threshold['unit'];
  scale: Record<string, number>;
  example: string;
}

const TIME: Form = {
  pattern: /^(\d+(?:\.\d+)?)(ms|s|m)$/,
  unit: 'ms',
  scale: { ms: 1, s: 1000, m: 60_000 },
  example: '250ms',
};
const INCREASE: Form = { pattern: /^\+(\d+(?:\.\d+)?)(%)$/, unit: 'increase', scale: { '%': 0.01 }, example: '+10%' };
const COUNT: Form = { pattern: /^(\d+)$/, unit: 'requests', scale: {}, example: '0' };
// Not 0 %, which no number of requests can show; not 100 %, which nothing exceeds.
const SHARE: Form = {
  pattern: /^((?!0+(?:\.0+)?%)\d{1,2}(?:\.\d+)?)(%)$/,
  unit: 'share',
  scale: { '%': 0.01 },
  example: '1%',
};

/**
 * Judges a run. A greatest value and a count are facts of the run. A percentile and a share are estimates: the threshold
 * is held, or broken, when the whole exact interval lies on one side of it.
 *
 * @throws {InputError} when the run has nothing that the threshold is about
 */
export function judge(threshold: Threshold, samples: Iterable<Kept>, from: LatencyFrom, summary: Summary): Judgement {
  const { text, metric, bound, unit } = threshold;
  const value = read(metric, summary);
  if (value === null) throw new InputError(`--fail-if '${text}' cannot be judged: the run has no ${unitsOf(metric)}.`);
  const { n, above } = count(threshold, samples, from);
  if (metric.of === 'latency' && metric.statistic === 'max') {
    return { threshold, verdict: above > 0 ? 'broken' : 'held', sentence: show(value) };
  }
  if (unit === 'requests') {
    return { threshold, verdict: above > bound ? 'broken' : 'held', sentence: `${above} of ${n} requests` };
  }
  const estimate =
    metric.of === 'latency' && metric.statistic !== 'max'
      ? summary.latency[metric.kind]?.[metric.statistic]
      : undefined;
  // That the share above a bound is at most s, and that percentile 1 - s is at most the bound, is the same statement.
  const p = estimate ? estimate.p : 1 - bound;
  const verdict = decide(above, n, p);
  const shown = estimate
    ? `${show(value)} [${show(estimate.lower)} – ${show(estimate.upper)}], ${n} ${unitsOf(metric)}`
    : `${above} of ${n} ${unitsOf(metric)} (${formatShare(value)})`;
  if (verdict !== 'undecided') return { threshold, verdict, sentence: shown };
  // If the share above the bound stays.
  const more = leastMore((m) => decide(Math.round((above / n) * (n + m)), n + m, p) !== 'undecided');
  const wanted = more === null ? 'too near the bound for more to tell' : `about ${more} more would tell`;
  return { threshold, verdict, sentence: `${shown}; ${wanted}` };
}

/** How many of what the threshold is about there are, and how many of them lie above its bound, or are what it counts. */
function count({ metric, bound }: Threshold, samples: Iterable<Kept>, from: LatencyFrom) {
  let [n, above] = [0, 0];
  for (const sample of samples) {
    if (metric.of === 'share' && metric.what === 'cold') {
      if (sample.outcome !== 'ok' || sample.start === 'unknown') continue;
      if (sample.start === 'cold') above++;
    } else if (metric.of === 'share') {
      if (sample.outcome === metric.what) above++;
    } else {
      const timedOut = sample.outcome === 'timeout';
      const ms = timedOut ? Number.POSITIVE_INFINITY : latencyMs(sample, from);
      if (ms === null || (metric.kind !== 'all' && sample.start !== metric.kind)) continue;
      if (ms > bound) above++;
    }
    n++;
  }
  return { n, above };
}

/** Whether percentile p of values of which so many of n lie above a bound lies above it too. */
function decide(above: number, n: number, p: number): Verdict {
  const { lower, upper } = rankInterval(n, p);
  if (lower !== null && lower > n - above) return 'broken';
  if (upper !== null && upper <= n - above) return 'held';
  return 'undecided';
}

const MOST = 100_000;

/** How many more it takes until something is decided; null for more than a hundred thousand. */
export function leastMore(decided: (more: number) => boolean): number | null {
  let most = 1;
  while (!decided(most)) {
    if (most > MOST) return null;
    most *= 2;
  }
  let least = most / 2;
  while (most - least > 1) {
    const middle = Math.floor((least + most) / 2);
    if (decided(middle)) most = middle;
    else least = middle;
  }
  return most;
}

function unitsOf(metric: Metric): string {
  if (metric.of === 'share') return metric.what === 'cold' ? 'answers that tell their start' : 'requests';
  return metric.kind === 'all' ? 'answers' : `${metric.kind} answers`;
}

function show(ms: number | null): string {
  if (ms === null) return '?';
  return ms === Number.POSITIVE_INFINITY ? 'timed out' : formatMs(ms);
}

/** The exit code of a command that judged: 1 when something is broken, 2 when something is undecided, else 0. */
export function exitCode(verdicts: readonly Verdict[]): 0 | 1 | 2 {
  if (verdicts.includes('broken')) return 1;
  return verdicts.includes('undecided') ? 2 : 0;
}
