import { InputError } from '../input-error.js';
import { formatMs, formatShare } from '../report/quantity.js';
import type { Run } from '../run/run-file.js';
import type { Outcome } from '../run/sample.js';
import type { Kept } from '../run/samples.js';
import { type Metric, read } from './metric.js';
import { rankInterval } from './percentile.js';
import { clusterer, LEAST_CLUSTERS, Pool } from './pool.js';
import type { Summary } from './summary.js';
import type { Threshold, Verdict } from './threshold.js';

export interface Judgement {
  /** The threshold, as it was given. */
  failIf: string;
  verdict: Verdict;
  /** What was measured, and where undecided how much more it would take. */
  sentence: string;
}

/**
 * Judges a run. A greatest value and a count are facts of the run. A percentile and a share are estimates: the threshold
 * is held, or broken, when the whole 95 % interval lies on one side of it.
 *
 * That percentile p is at most the bound, and that at most the share 1 - p lies above it, is the same statement; time-outs
 * lie above every bound. The interval of the share is the exact one of so many independent requests as these are worth.
 *
 * @throws {InputError} when the run has nothing that the threshold is about
 */
export function judge(threshold: Threshold, { info, samples }: Run, summary: Summary): Judgement {
  const { text, metric, bound, unit } = threshold;
  const value = read(metric, summary);
  if (value === null) throw new InputError(`--fail-if '${text}' cannot be judged: the run has no ${unitsOf(metric)}.`);
  const latency = metric.of === 'latency';
  const pool = latency ? summary.pools[metric.kind] : shares(metric.what, samples);
  const late = latency && metric.kind !== 'all' ? summary.outcomes.timeout : 0;
  const edge = latency ? bound : 0;
  const [n, above] = [pool.n, pool.above(edge)];
  const percentile = latency && metric.statistic !== 'max' ? summary.latency[metric.kind]?.[metric.statistic] : null;
  const fact = unit === 'requests' || (unit === 'ms' && !percentile);
  const decided = (times: number, more: number): Verdict => {
    if (fact) return above + more > (unit === 'requests' ? bound : 0) ? 'broken' : 'held';
    return decide((above + more) / (n + more), pool.worth(edge, times) * (1 + more / n), percentile?.p ?? 1 - bound);
  };
  const verdict = decided(1, 0);
  const shown = unit === 'ms' ? show(value) : formatShare(value);
  const counted = `${shown}: ${above} of ${n} ${unitsOf(metric)}${unit === 'ms' ? ' above' : ''}`;
  // Nobody knows the start of a time-out: what is held must be so wherever the time-outs belong.
  if (verdict === 'held' && decided(1, late) !== 'held') {
    const sentence = `${counted}, and ${late} time-outs whose start nobody knows`;
    return { failIf: text, verdict: 'undecided', sentence };
  }
  if (verdict !== 'undecided') return { failIf: text, verdict, sentence: counted };
  return { failIf: text, verdict, sentence: `${counted}; ${wanted(pool, info.mode === 'bursts', decided)}` };
}

/** 1 for each sample that counts, 0 for the others that it is a share of. */
function shares(what: Outcome | 'cold', samples: Iterable<Kept>): Pool {
  const cluster = clusterer(samples);
  const pool = new Pool();
  for (const sample of samples) {
    const { outcome, start } = sample;
    if (what !== 'cold') pool.push(Number(outcome === what), cluster(sample));
    else if (outcome === 'ok' && start !== 'unknown') pool.push(Number(start === 'cold'), cluster(sample));
  }
  return pool;
}

/** Whether percentile p lies above a bound above which this share of so many independent values lies. */
function decide(share: number, worth: number, p: number): Verdict {
  const n = Math.floor(worth + ROUNDING);
  const { lower, upper } = rankInterval(n, p);
  if (lower !== null && lower > n - Math.floor(share * n + ROUNDING)) return 'broken';
  if (upper !== null && upper <= n - Math.ceil(share * n - ROUNDING)) return 'held';
  return 'undecided';
}

/** What rounding leaves must not move a rank. */
const ROUNDING = 1e-9;

/** What would tell, if the share stays, and how much clusters differ. */
function wanted(pool: Pool, bursts: boolean, decided: (times: number, late: number) => Verdict): string {
  const { clusters, n } = pool;
  if (bursts && clusters < LEAST_CLUSTERS) {
    return `it takes ${LEAST_CLUSTERS} bursts to tell how much bursts differ; run with --bursts 20`;
  }
  if (clusters < LEAST_CLUSTERS) return 'too few requests to tell; run for longer';
  const had = bursts ? clusters : n;
  const more = leastMore((count) => decided((had + count) / had, 0) !== 'undecided');
  if (more === null) return 'too near the bound for more to tell';
  return `about ${more} more${bursts ? ' bursts' : ''} would tell`;
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
