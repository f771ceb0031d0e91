import { expect, test } from 'vitest';
import { drainMs, Mixture, seeded } from '../src/plan/simulate.js';
import { Pool } from '../src/statistics/pool.js';

const upTo = (n: number, from = 0) => Array.from({ length: n }, (_, i) => from + i + 1);
/** Of independent values: each is a cluster of its own. */
const pool = (values: number[]) =>
  Pool.of(
    values,
    values.map((_, cluster) => cluster),
  );

test('of one pool alone, value and interval are those of the ranks', () => {
  // Of so many that the ranks of a 93.5 % and of a 96.5 % interval are the same: nine times a thousand draws tell them.
  for (const [n, p] of [
    [36, 0.5],
    [162, 0.95],
    [655, 0.99],
  ] as const) {
    const mine = pool(upTo(n));
    const exact = mine.percentile(p);
    for (const share of [
      { warm: 3, cold: 0 },
      { warm: 0, cold: 3 },
    ]) {
      // The other pool lies in the middle of this one, and has no part in it.
      const other = pool([n / 2 + 0.5]);
      const pools = share.warm ? { warm: mine, cold: other } : { warm: other, cold: mine };
      const found = upTo(9).map((seed) => new Mixture(pools, seeded(seed)).percentile(p, share));
      const median = (end: 'value' | 'lower' | 'upper') => found.map((each) => each[end] ?? 0).sort((a, b) => a - b)[4];
      expect([median('value'), median('lower'), median('upper')]).toEqual([exact.value, exact.lower, exact.upper]);
    }
  }
});

test('an end that the samples cannot tell is missing', () => {
  const few = new Mixture({ warm: pool(upTo(60)), cold: pool([1000]) }, seeded(1)).percentile(0.95, {
    warm: 1,
    cold: 0,
  });
  expect(few).toMatchObject({ value: 57, upper: null });
  expect(few.lower).toBeGreaterThan(40);
});

test('a percentile is warm as long as its rank is', () => {
  const mixture = new Mixture({ warm: pool(upTo(100)), cold: pool(upTo(100, 1000)) }, seeded(1));
  expect(mixture.percentile(0.95, { warm: 19, cold: 1 }).value).toBe(100);
  expect(mixture.percentile(0.95, { warm: 18, cold: 2 }).value).toBe(1050);
  expect(mixture.percentile(0.5, { warm: 5, cold: 15 }).value).toBe(1034);
});

test('the interval of a mixture covers its true percentile in 95 of 100 runs', () => {
  const random = seeded(7);
  const warmMs = () => 20 - 30 * Math.log(1 - random());
  const coldMs = () => 100 * (1 + random());
  const truth = Float64Array.from({ length: 400_000 }, (_, i) => (i % 4 === 0 ? warmMs() : coldMs())).sort();
  for (const p of [0.2, 0.5]) {
    const exact = truth[Math.ceil(p * truth.length) - 1] as number;
    let covered = 0;
    for (let run = 0; run < 100; run++) {
      const draw = (n: number, ms: () => number) => pool(Array.from({ length: n }, ms));
      const mixture = new Mixture({ warm: draw(40, warmMs), cold: draw(40, coldMs) }, random);
      const { lower, upper } = mixture.percentile(p, { warm: 5, cold: 15 });
      if ((lower ?? 0) <= exact && exact <= (upper ?? Number.POSITIVE_INFINITY)) covered++;
    }
    // 95 %, less twice the deviation of 100 runs.
    expect(covered / 100, `p ${p}`).toBeGreaterThanOrEqual(0.905);
  }
});

test.each([0, 0.05, 0.1, 0.2])('whatever bursts differ by (%f), the interval covers the truth', (scatter) => {
  const random = seeded(11);
  const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  let missed = 0;
  for (let run = 0; run < 60; run++) {
    const cold = new Pool();
    for (let burst = 0; burst < 20; burst++) {
      const typical = 3000 * Math.exp(scatter * normal());
      for (let i = 0; i < 20; i++) cold.push(typical * Math.exp(0.15 * normal()), burst);
    }
    const { lower, upper } = new Mixture({ warm: pool([100]), cold }, random).percentile(0.5, { warm: 0, cold: 20 });
    if ((lower ?? 0) > 3000 || (upper ?? Number.POSITIVE_INFINITY) < 3000) missed++;
  }
  // 5 %, and twice the deviation of 60 runs; of intervals over requests it was up to 43 %.
  expect(missed / 60).toBeLessThanOrEqual(0.11);
});

const POOLS = { warm: pool([100]), cold: pool([1000]) };
const drain = (n: number, warm: number, cold: number, counted = n, limit = 100) =>
  drainMs(POOLS, { n, warm, cold, counted, limit }, seeded(1));

test('a burst that is answered at once ends with its slowest answer', () => {
  expect(drain(20, 20, 0)).toEqual({ value: 100, lower: 100, upper: 100 });
  expect(drain(20, 19, 1).value).toBe(1000);
});

test('what the function refused comes again as environments get free, while the window has room', () => {
  // Fifteen more, five at a time.
  expect(drain(20, 5, 0).value).toBe(400);
  // One warm environment takes nine more until the cold one is ready, and then they share the last.
  expect(drain(12, 1, 1).value).toBe(1100);
});

test('a request that comes again counts again, so a burst as large as the limit waits for the next minute', () => {
  const burst = { n: 100, warm: 20, cold: 0, counted: 100, limit: 100 };
  const { value, lower, upper } = drainMs({ warm: pool([5000]), cold: pool([1]) }, burst, seeded(1));
  // 80 more, 20 at a time, from anywhere within the next minute.
  expect(lower).toBeGreaterThan(20_000);
  expect(lower).toBeLessThanOrEqual(25_000);
  expect(Math.abs(value - 50_000)).toBeLessThan(3000);
  expect(upper).toBeGreaterThan(76_000);
  expect(upper).toBeLessThanOrEqual(80_000);
});

test('room of a minute that is over is lost', () => {
  // The only environment is free after 200 s. Four go then, and the other four in the next minute.
  const burst = { n: 9, warm: 0, cold: 1, counted: 9, limit: 4 };
  const { value, upper } = drainMs({ warm: pool([100]), cold: pool([200_000]) }, burst, seeded(1));
  expect(value).toBeGreaterThan(210_000);
  expect(upper).toBeLessThanOrEqual(260_800);
});

test('what the gateway refused goes out a limit a minute', () => {
  // 250: 100 at once, 100 in the next minute, 50 in the one after.
  const { lower, upper } = drain(250, 100, 0, 100);
  expect(lower).toBeGreaterThan(60_000);
  expect(upper).toBeLessThanOrEqual(120_200);
});

test('a seed repeats its plan', () => {
  const first = () => Array.from({ length: 3 }, seeded(3));
  expect(first()).toEqual(first());
  expect(first()).not.toEqual(Array.from({ length: 3 }, seeded(4)));
  const numbers = Array.from({ length: 40_000 }, seeded(1));
  expect(Math.min(...numbers.slice(0, 1000))).toBeGreaterThanOrEqual(0);
  expect(numbers.reduce((sum, number) => sum + number, 0) / 40_000).toBeCloseTo(0.5, 1);
});
