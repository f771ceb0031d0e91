import { describe, expect, test } from 'vitest';
import { rankInterval } from '../src/statistics/percentile.js';
import { clusterer, Pool } from '../src/statistics/pool.js';

const upTo = (n: number) => Array.from({ length: n }, (_, i) => i + 1);
/** Of independent values: each is a cluster of its own. */
const percentile = (values: readonly number[], p: number, censored = 0) => {
  const all = [...values, ...Array<number>(censored).fill(Number.POSITIVE_INFINITY)];
  return Pool.of(
    all,
    all.map((_, cluster) => cluster),
  ).percentile(p);
};

test('a percentile is one of the values: the nearest rank', () => {
  const values = [15, 20, 35, 40, 50];
  expect([0.05, 0.3, 0.4, 0.5, 0.95].map((p) => percentile(values, p).value)).toEqual([15, 20, 20, 35, 50]);
  expect(() => percentile([], 0.5)).toThrow('a percentile needs at least one value');
});

test('censored values are greater than all others, and nobody knows by how much', () => {
  expect(percentile(upTo(18), 0.5, 2)).toMatchObject({ value: 10, lower: 6, upper: 15 });
  expect(percentile(upTo(14), 0.5, 6), 'the upper end is among them').toMatchObject({
    value: 10,
    lower: 6,
    upper: null,
  });
  expect(percentile(upTo(9), 0.5, 11), 'and the median').toMatchObject({ value: null, lower: 6, upper: null });
  expect(percentile([], 0.5, 20), 'and all').toMatchObject({ value: null, lower: null, upper: null });
});

describe('values of one cluster share a moment', () => {
  const clusters = (count: number, each: number[][]) =>
    Pool.of(
      Array.from({ length: count }, (_, i) => each[i % each.length] as number[]).flat(),
      Array.from({ length: count }, (_, i) => (each[i % each.length] as number[]).map(() => i)).flat(),
    );

  test('alike, they count as independent ones; apart, as hardly more than their clusters', () => {
    const alike = clusters(20, [upTo(20)]).percentile(0.5);
    expect(alike).toMatchObject({ worth: expect.any(Number), warning: null });
    // Less than 400 only because twenty clusters do not tell for sure that they are alike.
    expect(alike.worth).toBeGreaterThan(340);
    const apart = clusters(20, [upTo(20), upTo(20).map((ms) => ms + 100)]).percentile(0.5);
    expect(apart.worth).toBeLessThanOrEqual(20);
    expect([apart.lower, apart.upper, apart.value]).toEqual([expect.any(Number), expect.any(Number), 20]);
    expect((apart.lower ?? 99) < 20 && (apart.upper ?? 0) > 100).toBe(true);
  });

  test('too few clusters tell nothing, and say so', () => {
    expect(clusters(4, [upTo(20)]).percentile(0.5)).toMatchObject({
      ...{ value: 10, lower: null, upper: null, worth: 0, warning: 'need 5 bursts' },
    });
    expect(clusters(6, [upTo(20), upTo(20).map((ms) => ms + 100)]).percentile(0.5).warning).toMatch(
      /^need more: \d of 6$/,
    );
  });

  test('a cluster is a burst, or a block of time where there are no bursts', () => {
    const at = (intendedMs: number, burst = 0) => ({ intendedMs, burst });
    const steady = upTo(101).map((i) => at(i * 7));
    const blocks = steady.map(clusterer(steady));
    expect(new Set(blocks).size).toBe(10);
    expect(blocks).toEqual([...blocks].sort((a, b) => a - b));
    expect([at(0), at(0), at(0, 1), at(0, 7)].map(clusterer([at(0), at(0, 7)]))).toEqual([0, 0, 1, 7]);
    expect([at(0), at(0)].map(clusterer([at(0)]))).toEqual([0, 0]);
  });
});

describe('rank intervals', () => {
  test.each([
    // Medians, from published tables of order-statistic intervals.
    [5, 0.5, null, null],
    [6, 0.5, 1, 6],
    [20, 0.5, 6, 15],
    [100, 0.5, 40, 61],
    // 1 - 0.95 ** 72 and 1 - 0.99 ** 368 are the first above 97.5 %.
    [71, 0.95, 63, null],
    [72, 0.95, 64, 72],
    [367, 0.99, 359, null],
    [368, 0.99, 360, 368],
  ])('n = %i, p = %f', (n, p, lower, upper) => {
    expect(rankInterval(n, p)).toEqual({ lower, upper });
  });

  test('an interval that is missing says how many values it takes', () => {
    expect(percentile(upTo(20), 0.95)).toEqual({
      ...{ p: 0.95, value: 19, lower: 17, upper: null, needed: 72, worth: 20, warning: 'need n ≥ 72' },
    });
    expect(percentile(upTo(72), 0.95).upper).toBe(72);
    expect(percentile(upTo(20), 0.05)).toMatchObject({ value: 1, lower: null, upper: 4, warning: 'need n ≥ 72' });
    expect(percentile(upTo(5), 0.5).needed).toBe(6);
    expect(percentile(upTo(20), 0.99).needed).toBe(368);
  });

  test.each([
    [1n, 2n],
    [19n, 20n],
    [99n, 100n],
  ])('cover percentile %d/%d with 95 %% or more, by exact integer arithmetic', (numerator, denominator) => {
    const p = Number(numerator) / Number(denominator);
    for (let n = 5; n <= 400; n++) {
      const { lower, upper } = rankInterval(n, p);
      // How many of the denominator ** n equally likely cases put `below` values under the true percentile.
      let cases = (denominator - numerator) ** BigInt(n);
      let covered = 0n;
      for (let below = 0; below <= n; below++) {
        if (below >= (lower ?? 0) && below < (upper ?? n + 1)) covered += cases;
        cases = (cases * BigInt(n - below) * numerator) / (BigInt(below + 1) * (denominator - numerator));
      }
      const coverage = Number((covered * 1_000_000n) / denominator ** BigInt(n)) / 1e6;
      expect(coverage, `n = ${n}`).toBeGreaterThanOrEqual(0.95);
    }
  });

  test('hold for many values, where a probability would underflow', () => {
    const { lower, upper } = rankInterval(100_000, 0.95);
    // Normal approximation: 95,000 ± 1.96 × 68.9.
    expect(lower).toBeCloseTo(94_865, -1);
    expect(upper).toBeCloseTo(95_136, -1);
  });
});
