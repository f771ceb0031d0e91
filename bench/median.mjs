// Figures that vary: a median of interleaved runs, its spread, and whether that says enough.

/** @param {number[]} values at least one */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const [low = 0, high = 0] =
    sorted.length % 2 ? [sorted[middle], sorted[middle]] : [sorted[middle - 1], sorted[middle]];
  return (low + high) / 2;
}

/** The least and the most: of five runs they hold the true median with 94 %. @param {number[]} values */
export function spread(values) {
  return /** @type {[number, number]} */ ([Math.min(...values), Math.max(...values)]);
}

/**
 * @param {number[]} values of five runs or more
 * @param {(value: number) => boolean} holds whether one value is as good as it must be
 */
export function verdict(values, holds) {
  const ends = spread(values).map(holds);
  if (ends[0] === ends[1]) return ends[0] ? 'reached' : 'falls short';
  return 'undecided';
}

/**
 * Measures again, once, while the spread straddles the bound.
 * @param {number} runs
 * @param {() => Promise<number>} measure one run
 * @param {(value: number) => boolean} holds
 */
export async function decide(runs, measure, holds) {
  /** @type {number[]} */
  const values = [];
  const more = async () => {
    for (let i = 0; i < runs; i++) values.push(await measure());
  };
  await more();
  if (verdict(values, holds) === 'undecided') await more();
  return { values, verdict: verdict(values, holds) };
}
