import { InputError } from '../input-error.js';
import {
  type Arch,
  fargateCost,
  MONTH_DAYS,
  MONTH_HOURS,
  PRICES,
  type Prices,
  provisionedCost,
  provisionedRunCost,
  runCost,
} from './cost.js';
import type { Feed } from './pools.js';
import { drainMs, type Estimate, Mixture, type Random, type Share, seeded } from './simulate.js';

/** What is planned: every n with every number of provisioned environments. */
export interface RowOptions {
  /** Requests of a burst. */
  n: readonly number[];
  /** Environments that are kept initialised. */
  provisioned: readonly number[];
  /** Reserved concurrency: requests that the function runs at once. @default 50 */
  reserved?: number;
  /** Requests a calendar minute that the gateway admits. @default 100 */
  limit?: number;
  /** @default 24 */
  burstsPerDay?: number;
  /** How long a schedule keeps the provisioned environments each day; all bursts fall into it. @default 8 */
  hoursADay?: number;
  /** The function's memory, MB. @default 1769 */
  memoryMb?: number;
  /** @default 'arm64' */
  arch?: Arch;
  /** What a cold start reads of an EFS file system with elastic throughput, MB (10⁶ bytes). @default 0 */
  efsMb?: number;
  /** In place of the list prices. */
  prices?: Prices;
  /** Of the simulation. @default 1 */
  seed?: number;
}

export const DEFAULTS = {
  ...{ reserved: 50, limit: 100, burstsPerDay: 24, hoursADay: 8, efsMb: 0, seed: 1 },
  ...{ memoryMb: 1769, arch: 'arm64' as Arch, prices: PRICES },
} as const;

/** Bursts a day: one every five minutes. With more, environments on demand would not go in between, and cost nothing. */
export const STAY_WARM = 288;

/** US dollars a month, for the same bursts. */
interface Dollars {
  /** Without provisioned environments. */
  onDemand: number;
  /** With the row's, at all times. */
  provisioned: number;
  /** With the row's, some hours a day. */
  scheduled: number;
  /** With tasks on Fargate that always run, in place of Lambda. */
  fargate: number;
}

/**
 * A burst in one setting. Percentiles are of the requests that are answered at once, ms. Beyond the gateway's limit these,
 * the share of cold starts and the dollars are with all admitted, and the last answer is with the limit; the intervals
 * are of both.
 */
export interface PlanRow {
  n: number;
  provisioned: number;
  reserved: number;
  p50: Estimate;
  p95: Estimate;
  p99: Estimate;
  /** From the release to the last answer, refused requests sent again; the interval is where 95 % of bursts lie. */
  drainMs: Estimate;
  /** Of those answered at once, 0 to 1. */
  coldShare: number;
  /** Requests that the gateway refuses at first, the least and the most. */
  kong429: readonly [least: number, most: number];
  /** Requests that the function refuses at first, the least and the most. */
  lambda429: readonly [least: number, most: number];
  dollarsAMonth: Dollars;
  /** From how many bursts a day it is cheaper than on demand; null where it never is. */
  breakEven: Record<'provisioned' | 'scheduled' | 'fargate', number | null>;
  /** What each cold start that it avoids costs more than on demand, US dollars; null where it avoids none. */
  avoidedColdStart: Record<'provisioned' | 'scheduled', number> | null;
  /** How many tasks on Fargate answer 95 % of those requests as soon. */
  fargateTasks: number;
  /** Whether bursts of the run were of this setting: the percentiles are theirs then. */
  measured?: true;
}

/** The plan alone, from latencies at hand: a row for every n and every number of provisioned environments, in that order. */
export function planFrom(feed: Feed, options: RowOptions): PlanRow[] {
  const setting = { ...DEFAULTS, ...options };
  const { reserved, seed } = setting;
  if (options.n.includes(0)) throw new InputError('A burst has at least one request; give --n from 1.');
  const most = Math.max(...options.provisioned);
  if (most > reserved) {
    throw new InputError(
      `Provisioned concurrency ${most} is above reserved concurrency ${reserved}, which AWS refuses; pass --reserved ${most} or more.`,
    );
  }
  const random = seeded(seed);
  const mixture = new Mixture(feed, random);
  return options.n.flatMap((n) =>
    options.provisioned.map((provisioned) => planRow({ ...setting, n, provisioned }, feed, mixture, random)),
  );
}

type Setting = Required<Omit<RowOptions, 'n' | 'provisioned'>> & { n: number; provisioned: number };

function planRow(setting: Setting, feed: Feed, mixture: Mixture, random: Random): PlanRow {
  const { n, provisioned, reserved, limit } = setting;
  const admitted = [Math.min(n, limit), n] as const;
  // What is known for sure is between both ends; figures are of the upper one, as a rule Kong's.
  const [least, most] = admitted.map((count) => sharesOf(count, setting)) as [Share, Share];
  const served = count(most);
  const at = (p: number) => {
    const estimate = mixture.percentile(p, most);
    return count(least) === served ? estimate : widen(estimate, mixture.percentile(p, least));
  };
  const drain = (share: Share, counted: number) => drainMs(feed, { ...share, n, counted, limit }, random);
  // Late are those that wait for a window, so here the figure is of the lower end.
  const late = drain(least, admitted[0]);
  const p95 = at(0.95);
  return {
    n,
    provisioned,
    reserved,
    p50: at(0.5),
    p95,
    p99: at(0.99),
    drainMs: n > limit ? { ...late, lower: drain(most, n).lower } : late,
    coldShare: most.cold / served,
    kong429: [0, n - admitted[0]],
    lambda429: [admitted[0] - count(least), n - served],
    ...money(setting, feed, most, p95.value),
  };
}

function sharesOf(admitted: number, { provisioned, reserved }: Setting): Share {
  const served = Math.min(admitted, reserved);
  const warm = Math.min(served, provisioned);
  return { warm, cold: served - warm };
}

const count = ({ warm, cold }: Share) => warm + cold;

function widen(estimate: Estimate, other: Estimate): Estimate {
  const end = (pick: (...values: number[]) => number, a: number | null, b: number | null) =>
    a === null || b === null ? null : pick(a, b);
  return {
    value: estimate.value,
    lower: end(Math.min, estimate.lower, other.lower),
    upper: end(Math.max, estimate.upper, other.upper),
  };
}

/** What it costs whether anybody sends anything, a month, and for each burst. US dollars. */
interface Cost {
  fixed: number;
  burst: number;
}

function money(setting: Setting, { billedMs, warm: latencies }: Feed, share: Share, p95Ms: number) {
  const { n, provisioned, burstsPerDay, hoursADay, memoryMb, arch, efsMb, prices } = setting;
  const size = { memoryMb, arch };
  const served = count(share);
  // Refused requests come again and find an environment of their burst.
  const again = n - served;
  const cold = (requests: number) =>
    runCost(requests, billedMs.cold, memoryMb, arch, prices) + ((requests * efsMb) / 1000) * prices.efs.elasticRead.usd;
  const warm = (requests: number) => runCost(requests, billedMs.warm, memoryMb, arch, prices);
  const kept = (requests: number) => provisionedRunCost(requests, billedMs.warm, size, prices);
  // Those that come again are spread over all environments alike.
  const spilled = (again * share.cold) / served;
  const burst = kept(share.warm + again - spilled) + cold(share.cold) + warm(spilled);
  const tasks = fargateTasks(served, p95Ms, latencies.percentile(0.5).value as number);
  const costs = {
    onDemand: { fixed: 0, burst: cold(served) + warm(again) },
    provisioned: { fixed: provisionedCost(provisioned, MONTH_HOURS, size, prices), burst },
    scheduled: { fixed: provisionedCost(provisioned, hoursADay * MONTH_DAYS, size, prices), burst },
    fargate: { fixed: fargateCost(tasks, MONTH_HOURS, size, prices), burst: 0 },
  };
  const month = ({ fixed, burst }: Cost) => fixed + burst * burstsPerDay * MONTH_DAYS;
  const from = (cost: Cost) => breakEven(costs.onDemand, cost);
  const avoided = share.warm * burstsPerDay * MONTH_DAYS;
  const each = (cost: Cost) => (month(cost) - month(costs.onDemand)) / avoided;
  const { onDemand: _, ...others } = costs;
  return {
    dollarsAMonth: mapValues(costs, month),
    breakEven: mapValues(others, from),
    avoidedColdStart: avoided > 0 ? { provisioned: each(costs.provisioned), scheduled: each(costs.scheduled) } : null,
    fargateTasks: tasks,
  };
}

/** One request at a time each, one after another, each as long as the run's median warm one. */
function fargateTasks(requests: number, p95Ms: number, warmMs: number): number {
  const inTime = Math.max(1, Math.floor(p95Ms / warmMs));
  return Math.ceil(Math.ceil(0.95 * requests) / inTime);
}

/** Bursts a day. */
function breakEven(onDemand: Cost, other: Cost): number | null {
  const saved = onDemand.burst - other.burst;
  return saved > 0 ? (other.fixed - onDemand.fixed) / (saved * MONTH_DAYS) : null;
}

function mapValues<Key extends string, From, To>(object: Record<Key, From>, map: (value: From) => To): Record<Key, To> {
  return Object.fromEntries(Object.entries<From>(object).map(([key, value]) => [key, map(value)])) as Record<Key, To>;
}
