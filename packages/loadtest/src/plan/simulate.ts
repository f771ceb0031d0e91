import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import TinyQueue from 'tinyqueue';
import type { Pool } from '../statistics/pool.js';

/** A figure and the 95 % interval around it, in the same unit; null where the samples are too few for that end. */
export interface Estimate {
  value: number;
  lower: number | null;
  upper: number | null;
}

/** Measured latencies that a plan is made of, ms, at least one each. */
export interface Pools {
  /** Of answers that found their environment initialised. */
  warm: Pool;
  /** Of answers that waited for theirs. */
  cold: Pool;
}

/** How many of a burst's requests find their environment initialised, and how many wait for theirs. */
export interface Share {
  warm: number;
  cold: number;
}

/** A random number, 0 included, 1 excluded. */
export type Random = () => number;

const DRAWS = 1000;
/** Of a larger pool every k-th sample stands for its neighbours; intervals are then those of so many samples. */
const KEPT = 1000;

/**
 * Latencies of bursts that are part warm and part cold.
 *
 * A percentile is that of all requests of many such bursts, by nearest rank. What is known of it is limited by the
 * samples: the shares of the true distribution below n sorted independent ones are as n uniform random numbers in order
 * are, whatever the distribution (David and Nagaraja, Order Statistics, 2.3). Drawing those numbers again and again gives
 * the interval of a mixture; of one pool alone it is that of `Pool.percentile`. Each pool is thinned to as many samples as
 * it is worth there.
 */
export class Mixture {
  readonly #pools: Pools;
  readonly #random: Random;
  /** Of so many samples: the true share below each, with 0 before them and 1 after them; drawn DRAWS times. */
  readonly #draws = new Map<string, Float64Array[]>();

  constructor(pools: Pools, random: Random) {
    this.#pools = pools;
    this.#random = random;
  }

  /** @param p between 0 and 1 */
  percentile(p: number, share: Share): Estimate {
    const { warm, cold } = this.#pools;
    const whole = new Ranked(warm.sorted, cold.sorted, share);
    // What rounding leaves must not move a rank.
    const value = whole.firstAt((at) => whole.measured(at) >= p - 1e-9) as number;
    const [ofWarm, ofCold] = [thinned(warm, value), thinned(cold, value)];
    if ((share.warm > 0 && ofWarm.length === 0) || (share.cold > 0 && ofCold.length === 0)) {
      return { value, lower: null, upper: null };
    }
    const ranked = new Ranked(ofWarm, ofCold, share);
    const [drawnWarm, drawnCold] = [this.#drawn('warm', ofWarm.length), this.#drawn('cold', ofCold.length)];
    const lowers: number[] = [];
    const uppers: number[] = [];
    for (let draw = 0; draw < DRAWS; draw++) {
      const [w, c] = [drawnWarm[draw] as Float64Array, drawnCold[draw] as Float64Array];
      // At or below a value lies at least what lies below the last sample of each pool up to it, and below it at most
      // what lies below the next sample.
      lowers.push(ranked.lastBefore((at) => ranked.below(w, c, at - 1, 1) > p) ?? Number.NEGATIVE_INFINITY);
      uppers.push(ranked.firstAt((at) => ranked.below(w, c, at, 0) >= p) ?? Number.POSITIVE_INFINITY);
    }
    return { value, ...middle95(lowers, uppers) };
  }

  #drawn(kind: string, n: number): Float64Array[] {
    const key = `${kind} ${n}`;
    const drawn = this.#draws.get(key) ?? Array.from({ length: DRAWS }, () => uniformsInOrder(n, this.#random));
    this.#draws.set(key, drawn);
    return drawn;
  }
}

/** Samples of both pools in one order. */
class Ranked {
  readonly #values: Float64Array;
  /** How many samples of each pool are at or below the value of the same index. */
  readonly #warm: Uint32Array;
  readonly #cold: Uint32Array;
  readonly #share: Share;

  constructor(warm: ArrayLike<number>, cold: ArrayLike<number>, share: Share) {
    const all = [...Array.from(warm, (ms) => ({ ms, cold: 0 })), ...Array.from(cold, (ms) => ({ ms, cold: 1 }))];
    all.sort((a, b) => a.ms - b.ms);
    let below = 0;
    this.#values = Float64Array.from(all, ({ ms }) => ms);
    this.#cold = Uint32Array.from(all, (sample) => {
      below += sample.cold;
      return below;
    });
    this.#warm = this.#cold.map((rank, at) => at + 1 - rank);
    this.#share = share;
  }

  /** The share of the samples at or below the value of an index. */
  measured(at: number): number {
    const last = this.#values.length - 1;
    const of = (ranks: Uint32Array) => (ranks[at] as number) / Math.max(1, ranks[last] as number);
    return this.#mix(of(this.#warm), of(this.#cold));
  }

  /** The drawn share below the sample of each pool that is so many after its last one up to an index. */
  below(warm: Float64Array, cold: Float64Array, at: number, after: 0 | 1): number {
    return this.#mix(warm[(this.#warm[at] ?? 0) + after] as number, cold[(this.#cold[at] ?? 0) + after] as number);
  }

  /** The first value for which a condition holds that, once it holds, holds on. */
  firstAt(holds: (at: number) => boolean): number | undefined {
    return this.#values[this.#first(holds)];
  }

  /** The value before it. */
  lastBefore(holds: (at: number) => boolean): number | undefined {
    return this.#values[this.#first(holds) - 1];
  }

  #first(holds: (at: number) => boolean): number {
    let [low, high] = [0, this.#values.length];
    while (low < high) {
      const at = (low + high) >> 1;
      if (holds(at)) high = at;
      else low = at + 1;
    }
    return low;
  }

  #mix(ofWarm: number, ofCold: number): number {
    const { warm, cold } = this.#share;
    return (warm * ofWarm + cold * ofCold) / (warm + cold);
  }
}

/** One burst, and what happens to those of its requests that are refused at first. */
export interface Drain extends Share {
  /** Requests of the burst; those that are neither warm nor cold were refused. */
  n: number;
  /** Requests that the gateway counted at the release, those that Lambda refused among them. */
  counted: number;
  /** Requests a calendar minute that the gateway admits. */
  limit: number;
}

const MINUTE_MS = 60_000;
/** Requests that all simulated bursts of one drain may have together, so that large bursts end within a second. */
const REQUESTS = 1e6;

/**
 * From the release of a burst to its last answer, ms: the median, and where 95 % of bursts lie.
 *
 * Refused requests come again, by a client that keeps no more of them in flight than environments answered at first,
 * and sends no more in a calendar minute than the gateway's limit has room for. The burst falls anywhere in its minute.
 */
export function drainMs(pools: Pools, burst: Drain, random: Random): Estimate {
  const repeats = Math.max(100, Math.min(DRAWS, Math.floor(REQUESTS / burst.n)));
  const ends = Array.from({ length: repeats }, () => lastAnswer(pools, burst, random)).sort((a, b) => a - b);
  return { value: ends[Math.ceil(repeats / 2) - 1] as number, ...middle95(ends, ends) };
}

function lastAnswer(pools: Pools, { n, warm, cold, counted, limit }: Drain, random: Random): number {
  const draw = ({ sorted }: Pool) => sorted[Math.floor(random() * sorted.length)] as number;
  const free = new TinyQueue<number>([], (a, b) => a - b);
  let last = 0;
  const answered = (at: number) => {
    free.push(at);
    last = Math.max(last, at);
  };
  for (let i = 0; i < warm; i++) answered(draw(pools.warm));
  for (let i = 0; i < cold; i++) answered(draw(pools.cold));
  let opens = 0;
  let closes = random() * MINUTE_MS;
  let room = Math.max(0, limit - counted);
  for (let left = n - warm - cold; left > 0; left--) {
    let at = Math.max(free.pop() as number, opens);
    while (room === 0 || at >= closes) {
      opens = closes;
      closes += MINUTE_MS;
      room = limit;
      at = Math.max(at, opens);
    }
    room--;
    answered(at + draw(pools.warm));
  }
  return last;
}

/** Random numbers that a seed repeats. */
export function seeded(seed: number): Random {
  const generator = xoroshiro128plus(seed);
  return () => uniformFloat64(generator);
}

/** As many samples of a pool, evenly, as it is worth around a value; where all or none lie below it, around its end. */
function thinned(pool: Pool, value: number): Float64Array {
  const { sorted, n } = pool;
  const within = Math.min(Math.max(value, sorted[0] as number), sorted[n - 1 - Math.ceil(n / 20)] ?? value);
  const kept = Math.min(KEPT, Math.floor(pool.worth(within) + 1e-9));
  return kept >= n
    ? sorted
    : Float64Array.from({ length: kept }, (_, i) => sorted[Math.floor(((i + 0.5) * n) / kept)] as number);
}

/** n uniform random numbers, ascending, between a 0 and a 1: the running sums of n + 1 exponential ones, scaled. */
function uniformsInOrder(n: number, random: Random): Float64Array {
  const sums = new Float64Array(n + 2);
  for (let at = 1; at < sums.length; at++) sums[at] = (sums[at - 1] as number) - Math.log(1 - random());
  const total = sums[n + 1] as number;
  return sums.map((sum) => sum / total);
}

/** From where 2.5 % of the lower ends lie below to where 2.5 % of the upper ends lie above. */
function middle95(lowers: readonly number[], uppers: readonly number[]): Pick<Estimate, 'lower' | 'upper'> {
  const at = Math.floor(0.025 * lowers.length);
  const finite = (value: number | undefined) => (Number.isFinite(value) ? (value as number) : null);
  const sorted = (values: readonly number[]) => [...values].sort((a, b) => a - b);
  return { lower: finite(sorted(lowers)[at]), upper: finite(sorted(uppers).at(-1 - at)) };
}
