import { InputError } from '../input-error.js';
import { load } from '../report/sentences.js';
import type { Run, RunInfo } from '../run/run-file.js';
import { latencyFrom } from '../run/sample.js';
import type { Kept } from '../run/samples.js';
import { leastMore } from './judgement.js';
import { METRICS, type Metric, read } from './metric.js';
import { clusterer, LEAST_CLUSTERS } from './pool.js';
import { criticalT } from './student.js';
import { type Summary, summarise } from './summary.js';
import type { Threshold, Verdict } from './threshold.js';

/** How a metric of run B differs from that of run A. */
export interface Effect {
  /** Its name. */
  metric: string;
  unit: 'ms' | 'share';
  /** Clusters of each that have the metric. */
  clusters: { a: number; b: number };
  /** The mean of the clusters' values; of ms the geometric one. */
  a: number;
  b: number;
  /** Of ms b / a - 1, of a share b - a. Not finite, as the interval is, where clusters' values are among the time-outs. */
  change: number;
  /** Ends of its 95 % confidence interval. */
  lower: number;
  upper: number;
  /** `--fail-if`, as given. Null: broken when the interval lies above 0, held when it ends at or below TOLERANCE. */
  threshold: string | null;
  verdict: Verdict;
  /** Where undecided: about how many more clusters of each would tell; null for more than a hundred thousand. */
  more: number | null;
}

/** The increase that passes where no threshold says: of ms 10 %, of the requests sent 1 %. */
const TOLERANCE = { ms: 0.1, share: 0.01 };

export interface Comparison {
  /** What clusters are: bursts, or tenths of the time of a run without bursts. */
  of: 'bursts' | 'blocks';
  /** Whether each cluster of B is compared with one of A: bursts that alternated, and blocks at the same time of the run. */
  paired: boolean;
  effects: Effect[];
  /** What could not be compared, and why. */
  leftOut: string[];
  /** Thresholds that cannot be judged, a sentence each. */
  unjudged: string[];
}

/**
 * Compares two runs by clusters: whole bursts, or blocks of time where there are no bursts.
 *
 * Requests of one cluster share a queue and a moment. A test over requests takes them for independent, and so any two
 * moments for two different targets. Here a cluster counts once: Student's t over the logarithms of the clusters' values
 * (over the values themselves of a share), of pairs where there are any, else Welch's.
 *
 * @param thresholds what to judge besides what failed; by default the median of each start that both runs have
 * @throws {InputError} when the runs, or what is asked of them, cannot be compared
 */
export function compare(a: Run, b: Run, thresholds: readonly Threshold[] = []): Comparison {
  refuseDifferent(a.info, b.info);
  const [inA, inB] = [clustersOf(a, 'first'), clustersOf(b, 'second')];
  const of = a.info.mode === 'bursts' ? 'bursts' : 'blocks';
  const alternated =
    a.info.pair !== null && a.info.pair.id === b.info.pair?.id && a.info.pair.side !== b.info.pair.side;
  const paired = alternated || of === 'blocks';
  const leftOut = [...missing(a.info, inA, 'A'), ...missing(b.info, inB, 'B')];
  const comparison: Comparison = { of, paired, effects: [], leftOut, unjudged: [] };
  for (const { metric, text, bound } of [...thresholds, ...usual([...inA.values(), ...inB.values()], thresholds)]) {
    const values = valuesOf(metric, inA, inB, comparison);
    if (typeof values !== 'string') comparison.effects.push(effect(metric, values, paired, text, bound));
    else if (text === null) comparison.leftOut.push(`${metric.name}: ${values}`);
    else comparison.unjudged.push(`--fail-if '${text}' cannot be judged: ${values}.`);
  }
  const told = comparison.effects.some(({ unit, verdict }) => unit === 'ms' || verdict === 'broken');
  if (thresholds.length === 0 && !told) {
    throw new InputError(
      `The runs have no start in common (${comparison.leftOut.join('; ') || 'no answer tells its own'}); --fail-if 'all.p50 > +10%' compares whatever was answered.`,
    );
  }
  return comparison;
}

type Clusters = Map<number, Summary>;

/** The clusters of a run by their numbers, without bursts of which requests were cut or are missing. */
function clustersOf({ info, samples, end }: Run, which: string): Clusters {
  const bursts = info.mode === 'bursts';
  if (!bursts && end !== 'complete') {
    throw new InputError(`The ${which} run was stopped before its time was over; run it again.`);
  }
  const cluster = clusterer(samples);
  const kept = new Map<number, Kept[]>();
  for (const sample of samples) {
    // Without bursts some requests are always under way at the end.
    if (!bursts && sample.outcome === 'cut') continue;
    const mine = kept.get(cluster(sample)) ?? [];
    if (mine.length === 0) kept.set(cluster(sample), mine);
    mine.push(sample);
  }
  const whole = [...kept]
    .sort(([one], [other]) => one - other)
    .map(([number, mine]) => [number, summarise(mine, latencyFrom(info.mode))] as const)
    .filter(([, { sent, outcomes }]) => !bursts || (sent === info.n && outcomes.cut === 0));
  if (whole.length < LEAST_CLUSTERS) {
    const [what, more] = bursts ? ['whole bursts', 'run with --bursts 20'] : ['blocks of time', 'run for longer'];
    throw new InputError(
      `The ${which} run has ${whole.length} ${what}, and it takes ${LEAST_CLUSTERS} to compare; ${more}.`,
    );
  }
  return new Map(whole);
}

function missing({ mode, bursts }: RunInfo, { size }: Clusters, side: string): string[] {
  return mode === 'bursts' && size < bursts
    ? [`${bursts - size} of ${bursts} bursts of ${side}: cut, or never sent`]
    : [];
}

function refuseDifferent(a: RunInfo, b: RunInfo): void {
  if (a.mode !== b.mode) {
    throw new InputError(
      `The runs are of different kinds (${load(a)}; ${load(b)}); run both alike but for what is compared.`,
    );
  }
  const rates = ({ rate, stages, durationMs }: RunInfo) => JSON.stringify([rate, rate === null && stages, durationMs]);
  const differences = [
    a.n === b.n ? '' : `${a.mode === 'bursts' ? '-n' : '--connections'} (${a.n} and ${b.n})`,
    rates(a) === rates(b) ? '' : `what was sent when (${load(a)}; ${load(b)})`,
    a.text.sha256 === b.text.sha256 ? '' : `text (of ${a.text.characters} and ${b.text.characters} characters)`,
    a.timeoutMs === b.timeoutMs ? '' : `--timeout (${a.timeoutMs} and ${b.timeoutMs} ms)`,
  ].filter(Boolean);
  if (differences.length > 0) {
    throw new InputError(`The runs differ in ${differences.join(' and ')}; run both alike but for what is compared.`);
  }
}

const MEDIANS = ['cold.p50', 'ahead.p50', 'warm.p50'];
/** Not the gateway's limit, which says nothing of the target behind it. */
const FAILURES = ['lambda-429', '4xx', '5xx', 'timeout', 'connection-error'];

/**
 * What is judged without being asked for, where there is anything to it: failures, since a target that answers fewer
 * requests is not as good whatever its latency, and without thresholds the medians.
 */
function usual(clusters: readonly Summary[], thresholds: readonly Threshold[]) {
  const names = thresholds.length > 0 ? FAILURES : [...MEDIANS, ...FAILURES];
  return METRICS.filter(({ name }) => names.includes(name) && !thresholds.some(({ metric }) => metric.name === name))
    .filter((metric) => clusters.some((cluster) => (read(metric, cluster) ?? 0) > 0))
    .map((metric) => ({ metric, text: null, bound: null }));
}

interface Values {
  a: number[];
  b: number[];
}

/** A metric's values in the clusters of both runs, pair after pair where paired; or why they do not serve. */
function valuesOf(metric: Metric, inA: Clusters, inB: Clusters, { of, paired }: Comparison): Values | string {
  const value = (clusters: Clusters, number: number) => {
    const summary = clusters.get(number);
    return summary ? read(metric, summary) : null;
  };
  const list = (clusters: Clusters, others: Clusters) =>
    [...clusters.keys()].flatMap((number) =>
      paired && value(others, number) === null ? [] : (value(clusters, number) ?? []),
    );
  const values = { a: list(inA, inB), b: list(inB, inA) };
  if (Math.min(values.a.length, values.b.length) < LEAST_CLUSTERS) {
    const have = paired ? `${values.a.length} pairs of ${of}` : `${values.a.length} and ${values.b.length} ${of}`;
    return `${have} have ${metric.name}, and it takes ${LEAST_CLUSTERS}`;
  }
  return values;
}

function effect(
  metric: Metric,
  { a, b }: Values,
  paired: boolean,
  threshold: string | null,
  bound: number | null,
): Effect {
  const unit = metric.of === 'latency' ? 'ms' : 'share';
  // Ratios of latencies become differences.
  const [inA, inB] = unit === 'ms' ? [a.map(Math.log), b.map(Math.log)] : [a, b];
  const [asValue, asChange, asDifference] =
    unit === 'ms' ? [Math.exp, Math.expm1, Math.log1p] : [Number, Number, Number];
  const difference = mean(inB) - mean(inA);
  const halfWidth = paired ? pairedHalfWidth(inA, inB) : welchHalfWidth(inA, inB);
  const [worst, most] = [asDifference(bound ?? 0), asDifference(bound ?? TOLERANCE[unit])];
  const judge = (half: number): Verdict => {
    if (difference - half > worst) return 'broken';
    return difference + half <= most ? 'held' : 'undecided';
  };
  const half = halfWidth(0);
  const late = { a: inA.filter(isInfinite).length, b: inB.filter(isInfinite).length };
  const verdict = late.a + late.b > 0 ? judgeLate(late) : judge(half);
  return {
    metric: metric.name,
    unit,
    clusters: { a: a.length, b: b.length },
    a: asValue(mean(inA)),
    b: asValue(mean(inB)),
    change: asChange(difference),
    lower: asChange(difference - half),
    upper: asChange(difference + half),
    threshold,
    verdict,
    more:
      verdict !== 'undecided' || late.a + late.b > 0
        ? null
        : leastMore((more) => judge(halfWidth(more)) !== 'undecided'),
  };
}

const isInfinite = (value: number) => value === Number.POSITIVE_INFINITY;

/**
 * By how many clusters of each have their value among the time-outs, which has no mean. That five such are all of
 * one run, by chance, happens once in 32 times.
 */
function judgeLate({ a, b }: { a: number; b: number }): Verdict {
  if (a === 0 && b >= LEAST_CLUSTERS) return 'broken';
  return b === 0 && a >= LEAST_CLUSTERS ? 'held' : 'undecided';
}

/** Half the width of the 95 % interval of a difference of means, with so many more clusters of each that vary alike. */
type HalfWidth = (more: number) => number;

function pairedHalfWidth(a: readonly number[], b: readonly number[]): HalfWidth {
  const spread = variance(b.map((value, pair) => value - (a[pair] as number)));
  return (more) => criticalT(a.length + more - 1) * Math.sqrt(spread / (a.length + more));
}

function welchHalfWidth(a: readonly number[], b: readonly number[]): HalfWidth {
  const [spreadA, spreadB] = [variance(a), variance(b)];
  return (more) => {
    const [n, m] = [a.length + more, b.length + more];
    const [ofA, ofB] = [spreadA / n, spreadB / m];
    if (ofA + ofB === 0) return 0;
    const degrees = (ofA + ofB) ** 2 / (ofA ** 2 / (n - 1) + ofB ** 2 / (m - 1));
    return criticalT(degrees) * Math.sqrt(ofA + ofB);
  };
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function variance(values: readonly number[]): number {
  const middle = mean(values);
  return values.reduce((sum, value) => sum + (value - middle) ** 2, 0) / (values.length - 1);
}
