import type { Sample } from '../run/sample.js';
import { type Percentile, rankInterval } from './percentile.js';
import { criticalT } from './student.js';

/** The fewest clusters that tell how much clusters differ. */
export const LEAST_CLUSTERS = 5;
/** Blocks of time of a run without bursts: each long enough that neighbours hardly know of each other. */
const BLOCKS = 10;

/**
 * Which cluster a sample is of: its burst, or where there are no bursts its block of time. Samples of one cluster share a
 * queue and a moment, so that only clusters are independent.
 */
export function clusterer(samples: Iterable<Pick<Sample, 'burst' | 'intendedMs'>>) {
  let [first, last, bursts] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0];
  for (const { burst, intendedMs } of samples) {
    first = Math.min(first, intendedMs);
    last = Math.max(last, intendedMs);
    bursts = Math.max(bursts, burst);
  }
  const blockMs = (last - first) / BLOCKS;
  const blocks = bursts === 0 && blockMs > 0;
  return ({ burst, intendedMs }: Pick<Sample, 'burst' | 'intendedMs'>) =>
    blocks ? Math.min(BLOCKS - 1, Math.floor((intendedMs - first) / blockMs)) : burst;
}

/** Values of one kind, each with its cluster; infinite where it is known only that it is greater than all others. */
export class Pool {
  readonly #values: number[] = [];
  readonly #clusters: number[] = [];
  #sorted: Float64Array | undefined;
  #asked: { bound: number; count: number; design: number } | undefined;

  /** @param clusters of each value; all of one, which tells nothing of others, when not given */
  static of(values: readonly number[], clusters?: readonly number[]): Pool {
    const pool = new Pool();
    for (const [at, value] of values.entries()) pool.push(value, clusters?.[at] ?? 0);
    return pool;
  }

  push(value: number, cluster: number): void {
    this.#values.push(value);
    this.#clusters.push(cluster);
    this.#sorted = this.#asked = undefined;
  }

  get n(): number {
    return this.#values.length;
  }

  get clusters(): number {
    return new Set(this.#clusters).size;
  }

  /** Ascending. */
  get sorted(): Float64Array {
    this.#sorted ??= Float64Array.from(this.#values).sort();
    return this.#sorted;
  }

  /** Without those that are infinite, ascending. */
  get complete(): Float64Array {
    return this.sorted.subarray(0, this.n - this.above(Number.MAX_VALUE));
  }

  /** How many lie above a bound. */
  above(bound: number): number {
    return this.#values.reduce((count, value) => count + Number(value > bound), 0);
  }

  /**
   * As how many independent values these count that lie above a bound or do not, by how much that share differs between
   * clusters (Korn and Graubard, Survey Methodology 24, 1998); 0 with too few of them.
   *
   * @param times with so many times these clusters, which differ alike
   */
  worth(bound: number, times = 1): number {
    if (this.#asked?.bound !== bound) this.#asked = { bound, ...this.#design(bound) };
    const { count, design } = this.#asked;
    if (count < LEAST_CLUSTERS) return 0;
    const n = this.n * times;
    // How much clusters differ is an estimate itself, of so many clusters.
    return (n / design) * (criticalT(Math.max(1, n - 1)) / criticalT(count * times - 1)) ** 2;
  }

  /** How many clusters there are; and how many times the variance of a share is that of independent values. */
  #design(bound: number): { count: number; design: number } {
    const tallies = new Map<number, { n: number; above: number }>();
    let above = 0;
    for (let at = 0; at < this.#values.length; at++) {
      const cluster = this.#clusters[at] as number;
      const tally = tallies.get(cluster) ?? { n: 0, above: 0 };
      if (tally.n === 0) tallies.set(cluster, tally);
      tally.n++;
      if ((this.#values[at] as number) <= bound) continue;
      tally.above++;
      above++;
    }
    const [n, count] = [this.n, tallies.size];
    const share = above / n;
    let squares = 0;
    for (const tally of tallies.values()) squares += (tally.above - share * tally.n) ** 2;
    const variance = (count / (count - 1)) * (squares / n ** 2);
    const design = above === 0 || above === n ? 1 : Math.max(1, variance / ((share * (1 - share)) / (n - 1)));
    return { count, design };
  }

  /**
   * The nearest-rank percentile and its 95 % interval: that of the ranks, of so many independent values as these are worth.
   *
   * @param p between 0 and 1, both excluded
   * @throws {RangeError} without values
   */
  percentile(p: number): Percentile {
    const { sorted, n, clusters } = this;
    if (n === 0) throw new RangeError('a percentile needs at least one value');
    const finite = (value: number | undefined) => (Number.isFinite(value) ? (value as number) : null);
    const value = sorted[Math.ceil(p * n) - 1] as number;
    const worth = Math.floor(this.worth(value) + 1e-9);
    const { lower, upper } = rankInterval(worth, p);
    const at = (rank: number | null) => (rank === null ? null : finite(sorted[Math.floor(((rank - 0.5) * n) / worth)]));
    const needed = Math.ceil(Math.log(0.025) / Math.log(Math.max(p, 1 - p)));
    let warning: string | null = null;
    if (n < needed) warning = `need n ≥ ${needed}`;
    else if (clusters < LEAST_CLUSTERS) warning = `need ${LEAST_CLUSTERS} bursts`;
    else if (lower === null || upper === null) warning = `need more: ${worth} of ${needed}`;
    return { p, value: finite(value), lower: at(lower), upper: at(upper), needed, worth, warning };
  }
}
