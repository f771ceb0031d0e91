import { createCipheriv } from 'node:crypto';

/** A figure and the 95 % interval around it, in the same unit; null where the samples are too few for that end. */
export interface Estimate {
  value: number;
  lower: number | null;
  upper: number | null;
}

/** Measured latencies that a plan is made of, ms, ascending, at least one each. */
export interface Pools {
  /** Of answers that found their environment initialised. */
  warm: readonly number[];
  /** Of answers that waited for theirs. */
  cold: readonly number[];
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
 * samples: the shares of the true distribution below n sorted ones are as n uniform random numbers in order are,
 * whatever the distribution (David and Nagaraja, Order Statistics, 2.3). Drawing those numbers again and again gives
 * the interval of a mixture; of one pool alone it is the rank interval of percentile.ts, under the same conditions.
 */
export class Mixture {
  /** Of both pools, ascending. */
  readonly #values: Float64Array;
  /** How many samples of each pool are at or below the value of the same index. */
  readonly #ranks: { warm: Uint32Array; cold: Uint32Array };
  readonly #sizes: Share;
  /** Of each draw, for each pool: the true share below each of its samples, with 0 before them and 1 after them. */
  readonly #draws: { warm: Float64Array; cold: Float64Array }[];

  constructor(pools: Pools, random: Random) {
    const [warm, cold] = [thin(pools.warm), thin(pools.cold)];
    const all = [...warm.map((ms) => ({ ms, cold: 0 })), ...cold.map((ms) => ({ ms, cold: 1 }))];
    all.sort((a, b) => a.ms - b.ms);
    let below = 0;
    const coldRanks = Uint32Array.from(all, (sample) => {
      below += sample.cold;
      return below;
    });
    this.#values = Float64Array.from(all, ({ ms }) => ms);
    this.#ranks = { cold: coldRanks, warm: coldRanks.map((rank, at) => at + 1 - rank) };
    this.#sizes = { warm: warm.length, cold: cold.length };
    this.#draws = Array.from({ length: DRAWS }, () => ({
      warm: uniformsInOrder(warm.length, random),
      cold: uniformsInOrder(cold.length, random),
    }));
  }

  /** @param p between 0 and 1 */
  percentile(p: number, { warm, cold }: Share): Estimate {
    const values = this.#values;
    const ranks = this.#ranks;
    const share = (ofWarm: number, ofCold: number) => (warm * ofWarm + cold * ofCold) / (warm + cold);
    const measured = (at: number) =>
      share((ranks.warm[at] as number) / this.#sizes.warm, (ranks.cold[at] as number) / this.#sizes.cold);
    // What rounding leaves must not move a rank.
    const value = values[first(values.length, (at) => measured(at) >= p - 1e-9)] as number;
    const lowers: number[] = [];
    const uppers: number[] = [];
    for (const drawn of this.#draws) {
      // At or below a value lies at least what lies below the last sample of each pool up to it, and below it at most
      // what lies below the next sample.
      const least = (at: number) =>
        share(drawn.warm[ranks.warm[at] as number] as number, drawn.cold[ranks.cold[at] as number] as number);
      const most = (at: number) =>
        share(drawn.warm[(ranks.warm[at - 1] ?? 0) + 1] as number, drawn.cold[(ranks.cold[at - 1] ?? 0) + 1] as number);
      lowers.push(values[first(values.length, (at) => most(at) > p) - 1] ?? Number.NEGATIVE_INFINITY);
      uppers.push(values[first(values.length, (at) => least(at) >= p)] ?? Number.POSITIVE_INFINITY);
    }
    return { value, ...middle95(lowers, uppers) };
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
  const draw = (pool: readonly number[]) => pool[Math.floor(random() * pool.length)] as number;
  const free = new Heap();
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
    let at = Math.max(free.pop(), opens);
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

/** Random numbers that a seed repeats: the key stream of AES in counter mode. */
export function seeded(seed: number): Random {
  const key = Buffer.alloc(16);
  key.writeDoubleLE(seed);
  const cipher = createCipheriv('aes-128-ctr', key, Buffer.alloc(16));
  const zeros = Buffer.alloc(1 << 16);
  let bytes = Buffer.alloc(0);
  let at = 0;
  return () => {
    if (at === bytes.length) {
      bytes = cipher.update(zeros);
      at = 0;
    }
    at += 4;
    return bytes.readUInt32LE(at - 4) / 2 ** 32;
  };
}

function thin(sorted: readonly number[]): readonly number[] {
  if (sorted.length <= KEPT) return sorted;
  return Array.from({ length: KEPT }, (_, i) => sorted[Math.floor(((i + 0.5) * sorted.length) / KEPT)] as number);
}

/** n uniform random numbers, ascending, between a 0 and a 1: the running sums of n + 1 exponential ones, scaled. */
function uniformsInOrder(n: number, random: Random): Float64Array {
  const sums = new Float64Array(n + 2);
  for (let at = 1; at < sums.length; at++) sums[at] = (sums[at - 1] as number) - Math.log(1 - random());
  const total = sums[n + 1] as number;
  return sums.map((sum) => sum / total);
}

/** The first of 0 … n - 1 for which a condition holds that, once it holds, holds on; n when it never does. */
function first(n: number, holds: (at: number) => boolean): number {
  let [low, high] = [0, n];
  while (low < high) {
    const at = (low + high) >> 1;
    if (holds(at)) high = at;
    else low = at + 1;
  }
  return low;
}

/** From where 2.5 % of the lower ends lie below to where 2.5 % of the upper ends lie above. */
function middle95(lowers: readonly number[], uppers: readonly number[]): Pick<Estimate, 'lower' | 'upper'> {
  const at = Math.floor(0.025 * lowers.length);
  const finite = (value: number | undefined) => (Number.isFinite(value) ? (value as number) : null);
  const sorted = (values: readonly number[]) => [...values].sort((a, b) => a - b);
  return { lower: finite(sorted(lowers)[at]), upper: finite(sorted(uppers).at(-1 - at)) };
}

/** Numbers, of which the least is taken first. */
class Heap {
  readonly #items: number[] = [];

  push(item: number): void {
    const items = this.#items;
    let at = items.push(item) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if ((items[parent] as number) <= item) break;
      items[at] = items[parent] as number;
      at = parent;
    }
    items[at] = item;
  }

  /** @throws {RangeError} when it is empty */
  pop(): number {
    const items = this.#items;
    const [least] = items;
    const item = items.pop();
    if (least === undefined || item === undefined) throw new RangeError('an empty heap has no least number');
    if (items.length === 0) return least;
    let at = 0;
    for (let child = 1; child < items.length; child = 2 * at + 1) {
      if (child + 1 < items.length && (items[child + 1] as number) < (items[child] as number)) child++;
      if ((items[child] as number) >= item) break;
      items[at] = items[child] as number;
      at = child;
    }
    items[at] = item;
    return least;
  }
}
