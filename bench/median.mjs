// Figures that vary: a median of interleaved runs, its spread, and whether that says enough.

/** @param {number[]} values at least one */
export function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 ? upper : (upper + (sorted[middle - 1] ?? Number.NaN)) / 2;
}

/**
 * Between which of the sorted runs the true median lies: the narrowest pair of ranks that misses it 7 % of the time or
 * less. Of five runs that is the least and the most.
 * @param {number[]} values
 */
export function spread(values) {
  const sorted = values.toSorted((a, b) => a - b);
  let outside = 0;
  let ways = 1;
  let cut = 0;
  while (cut < sorted.length / 2) {
    outside += (2 * ways) / 2 ** sorted.length;
    if (outside > 0.07) break;
    ways = (ways * (sorted.length - cut)) / (cut + 1);
    cut++;
  }
  const at = Math.max(0, cut - 1);
  return /** @type {[number, number]} */ ([sorted[at] ?? Number.NaN, sorted.at(-1 - at) ?? Number.NaN]);
}

/**
 * @param {number[]} values of five runs or more
 * @param {(value: number) => boolean} holds whether one value is as good as it must be
 */
export function verdict(values, holds) {
  const [low, high] = spread(values).map(holds);
  if (low === high) return low ? 'reached' : 'falls short';
  return 'undecided';
}

/**
 * Measures on, twice as long, once, while the spread straddles the bound.
 * @param {number} runs
 * @param {() => Promise<number>} measure one run
 * @param {(value: number) => boolean} holds
 */
export async function decide(runs, measure, holds) {
  /** @type {number[]} */
  const values = [];
  while (values.length < runs) values.push(await measure());
  if (verdict(values, holds) === 'undecided') while (values.length < 3 * runs) values.push(await measure());
  return { values, verdict: verdict(values, holds) };
}

/** `median [low to high]`. @param {number[]} values @param {number} digits after the point */
export function figure(values, digits) {
  const [low, high] = spread(values);
  return `${median(values).toFixed(digits)} [${low.toFixed(digits)} to ${high.toFixed(digits)}]`;
}
