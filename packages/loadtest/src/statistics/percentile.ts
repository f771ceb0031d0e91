/** A percentile of measured values, with the interval that they justify. */
export interface Percentile {
  /** Which percentile, between 0 and 1. */
  p: number;
  /** The nearest-rank percentile, in the unit of the values; null when its rank falls among the time-outs. */
  value: number | null;
  /** Lower end of the 95 % interval; null when there is none, or it lies among the time-outs. */
  lower: number | null;
  /** Upper end. */
  upper: number | null;
  /** How many independent values it takes for both ends to exist. */
  needed: number;
  /** As how many independent values these count. */
  worth: number;
  /** Why an end is missing, in a few words; null when none is, or when it lies among the time-outs. */
  warning: string | null;
}

/** By nearest rank; not a number without values. */
export function median(values: Iterable<number>): number {
  const sorted = Float64Array.from(values).sort();
  return sorted[(sorted.length - 1) >> 1] ?? Number.NaN;
}

/**
 * The ranks (1 is the smallest value) whose values bracket percentile p of n independent values.
 *
 * The interval holds for any continuous distribution: the number of values below the true percentile is binomial (n, p),
 * so two order statistics bracket it with a known probability (David and Nagaraja, Order Statistics, 7.1). Each side
 * misses with at most 2.5 %.
 */
export function rankInterval(n: number, p: number): { lower: number | null; upper: number | null } {
  const tail = 0.025;
  let lower: number | null = null;
  // Logarithms, because (1 - p) ** n is 0 in a double long before n is large.
  let logPmf = n * Math.log1p(-p);
  let cdf = 0;
  for (let below = 0; below < n; below++) {
    cdf += Math.exp(logPmf);
    if (cdf <= tail) lower = below + 1;
    if (cdf >= 1 - tail) return { lower, upper: below + 1 };
    logPmf += Math.log((n - below) / (below + 1)) + Math.log(p) - Math.log1p(-p);
  }
  return { lower, upper: null };
}
