/** A percentile of measured values, with the interval that the ranks alone justify. */
export interface Percentile {
  /** Which percentile, between 0 and 1. */
  p: number;
  /** The nearest-rank percentile, in the unit of the values; null when its rank falls among the censored. */
  value: number | null;
  /** Lower end of the confidence interval; null when too few values, or too many censored ones, leave none. */
  lower: number | null;
  /** Upper end of the confidence interval; null when too few values, or too many censored ones, leave none. */
  upper: number | null;
  /** How many values it takes for both ends to exist. */
  needed: number;
}

/**
 * The nearest-rank percentile and its exact confidence interval.
 *
 * The interval holds for any continuous distribution, if the values are of independent requests under the same
 * conditions: the number of values below the true percentile is then binomial (n, p), so two order statistics bracket
 * it with a known probability (David and Nagaraja, Order Statistics, 7.1). Requests of one burst share a queue: they
 * are not independent, and the interval covers less than it says.
 *
 * @param sorted the values, ascending
 * @param p between 0 and 1, both excluded
 * @param censored how many more there are of which it is known only that they are greater than all of these
 * @param confidence the least probability that the interval covers the true percentile
 * @throws {RangeError} without values
 */
export function percentile(sorted: ArrayLike<number>, p: number, censored = 0, confidence = 0.95): Percentile {
  const n = sorted.length + censored;
  if (n === 0) throw new RangeError('a percentile needs at least one value');
  const ranks = rankInterval(n, p, confidence);
  const at = (rank: number | null) => (rank === null ? null : (sorted[rank - 1] ?? null));
  return {
    p,
    value: at(Math.ceil(p * n)),
    lower: at(ranks.lower),
    upper: at(ranks.upper),
    needed: Math.ceil(Math.log((1 - confidence) / 2) / Math.log(Math.max(p, 1 - p))),
  };
}

/**
 * The ranks (1 is the smallest value) whose values bracket percentile p of n values.
 *
 * Each side misses with at most half of what the confidence leaves.
 */
export function rankInterval(n: number, p: number, confidence = 0.95): { lower: number | null; upper: number | null } {
  const tail = (1 - confidence) / 2;
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
