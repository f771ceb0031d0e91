import { InputError } from '../input-error.js';
import { formatMs, formatShare } from '../report/quantity.js';
import type { Run } from '../run/run-file.js';
import { type LatencyFrom, latencyMs } from '../run/sample.js';
import type { Kept } from '../run/samples.js';
import { type Metric, read } from './metric.js';
import { rankInterval } from './percentile.js';
import { criticalT } from './student.js';
import type { Summary } from './summary.js';
import type { Threshold, Verdict } from './threshold.js';

export interface Judgement {
  threshold: Threshold;
  verdict: Verdict;
  /** What was measured, and where undecided how much more it would take. */
  sentence: string;
}

/** The fewest bursts that tell how much bursts differ. */
export const LEAST_BURSTS = 5;

/**
 * Judges a run. A greatest value and a count are facts of the run. A percentile and a share are estimates: the threshold
 * is held, or broken, when the whole 95 % interval lies on one side of it.
 *
 * That percentile p is at most the bound, and that at most the share 1 - p lies above it, is the same statement; time-outs
 * lie above every bound. The interval of the share is the exact one of independent requests. Those of one burst are not:
 * they count as so many independent ones as tell the same (Korn and Graubard, Survey Methodology 24, 1998).
 *
 * @throws {InputError} when the run has nothing that the threshold is about
 */
export function judge(threshold: Threshold, { info, samples }: Run, summary: Summary): Judgement {
  const { text, metric, bound, unit } = threshold;
  const value = read(metric, summary);
  if (value === null) throw new InputError(`--fail-if '${text}' cannot be judged: the run has no ${unitsOf(metric)}.`);
  const { bursts, late } = count(threshold, samples, info.mode === 'rate' ? 'intended' : 'sent');
  const [n, above] = [total(bursts, 'n'), total(bursts, 'above')];
  const percentile =
    metric.of === 'latency' && metric.statistic !== 'max'
      ? summary.latency[metric.kind]?.[metric.statistic]
      : undefined;
  const fact = unit === 'requests' || (unit === 'ms' && !percentile);
  const weight = info.mode === 'bursts' ? weigher(bursts) : (times: number) => Math.round(n * times);
  const decided = (times: number, more: number): Verdict => {
    if (fact) return above + more > (unit === 'requests' ? bound : 0) ? 'broken' : 'held';
    return decide((above + more) / (n + more), weight(times) * (1 + more / n), percentile?.p ?? 1 - bound);
  };
  const verdict = decided(1, 0);
  const shown = unit === 'ms' ? show(value) : formatShare(value);
  const counted = `${shown}: ${above} of ${n} ${unitsOf(metric)}${unit === 'ms' ? ' above' : ''}`;
  // Nobody knows the start of a time-out: what is held must be so wherever the time-outs belong.
  if (verdict === 'held' && decided(1, late) !== 'held') {
    const sentence = `${counted}, and ${late} time-outs whose start nobody knows`;
    return { threshold, verdict: 'undecided', sentence };
  }
  if (verdict !== 'undecided') return { threshold, verdict, sentence: counted };
  return {
    threshold,
    verdict,
    sentence: `${counted}; ${wanted(info.mode === 'bursts' ? bursts.length : null, n, decided)}`,
  };
}

/** What the threshold is about in one burst: how many, and how many of them lie above its bound, or are what it counts. */
interface Tally {
  n: number;
  above: number;
}

/** Each burst that has what the threshold is about; and time-outs of which nobody knows whether they belong to it. */
function count({ metric, bound }: Threshold, samples: Iterable<Kept>, from: LatencyFrom) {
  const bursts = new Map<number, Tally>();
  let late = 0;
  const add = (burst: number, isAbove: boolean) => {
    const tally = bursts.get(burst) ?? { n: 0, above: 0 };
    bursts.set(burst, { n: tally.n + 1, above: tally.above + Number(isAbove) });
  };
  for (const sample of samples) {
    const { burst, outcome, start } = sample;
    if (metric.of === 'share' && metric.what === 'cold') {
      if (outcome === 'ok' && start !== 'unknown') add(burst, start === 'cold');
    } else if (metric.of === 'share') {
      add(burst, outcome === metric.what);
    } else if (outcome === 'timeout') {
      if (metric.kind === 'all') add(burst, true);
      else late++;
    } else {
      const ms = latencyMs(sample, from);
      if (ms !== null && (metric.kind === 'all' || start === metric.kind)) add(burst, ms > bound);
    }
  }
  return { bursts: [...bursts.values()], late };
}

/** As how many independent requests so many times these bursts count. */
function weigher(bursts: readonly Tally[]): (times: number) => number {
  const [n, count] = [total(bursts, 'n'), bursts.length];
  if (count < LEAST_BURSTS) return () => 0;
  const share = total(bursts, 'above') / n;
  const squares = bursts.reduce((sum, burst) => sum + (burst.above - share * burst.n) ** 2, 0);
  const variance = (count / (count - 1)) * (squares / n ** 2);
  const design = share * (1 - share) === 0 ? 1 : Math.max(1, variance / ((share * (1 - share)) / n));
  // The variance is an estimate itself, of so many bursts.
  return (times) =>
    ((n * times) / design) * (criticalT(Math.max(1, n * times - 1)) / criticalT(count * times - 1)) ** 2;
}

/** Whether percentile p lies above a bound above which this share of so many independent values lies. */
function decide(share: number, weight: number, p: number): Verdict {
  const n = Math.floor(weight + ROUNDING);
  const { lower, upper } = rankInterval(n, p);
  if (lower !== null && lower > n - Math.floor(share * n + ROUNDING)) return 'broken';
  if (upper !== null && upper <= n - Math.ceil(share * n - ROUNDING)) return 'held';
  return 'undecided';
}

/** What rounding leaves must not move a rank. */
const ROUNDING = 1e-9;

/** What would tell. */
function wanted(bursts: number | null, n: number, decided: (times: number, late: number) => Verdict): string {
  if (bursts !== null && bursts < LEAST_BURSTS) {
    return `it takes ${LEAST_BURSTS} bursts to tell how much bursts differ; run with --bursts 20`;
  }
  // If the share stays, and how much bursts differ.
  const had = bursts ?? n;
  const more = leastMore((count) => decided((had + count) / had, 0) !== 'undecided');
  if (more === null) return 'too near the bound for more to tell';
  return `about ${more} more${bursts === null ? '' : ' bursts'} would tell`;
}

function total(bursts: readonly Tally[], what: keyof Tally): number {
  return bursts.reduce((sum, burst) => sum + burst[what], 0);
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

function show(ms: number): string {
  return ms === Number.POSITIVE_INFINITY ? 'timed out' : formatMs(ms);
}
