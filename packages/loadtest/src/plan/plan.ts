import { InputError } from '../input-error.js';
import type { Run, RunInfo } from '../run/run-file.js';
import { Pool } from '../statistics/pool.js';
import { planCaveats } from './caveats.js';
import {
  type Arch,
  fargateCost,
  MONTH_DAYS,
  MONTH_HOURS,
  PRICES,
  type Prices,
  pricesOf,
  provisionedCost,
  provisionedRunCost,
  regionOf,
  runCost,
  sizeOf,
} from './cost.js';
import { type DocumentsPlan, planDocuments } from './documents.js';
import { type MemoryRow, memoryRows } from './memory.js';
import { alikeOf, type Feed, feedOf } from './pools.js';
import { drainMs, type Estimate, Mixture, type Random, type Share, seeded } from './simulate.js';

/** What is planned: every n with every number of provisioned environments. */
export interface PlanOptions {
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
  /** The function's memory sizes, MB; the first is the one of the rows. @default what the runs are labelled, else 1769 */
  memoryMb?: readonly number[];
  /** @default what the runs are labelled, else 'arm64' */
  arch?: Arch;
  /** What a cold start reads of an EFS file system with elastic throughput, MB (10⁶ bytes). @default 0 */
  efsMb?: number;
  /** Of the list prices. @default what the run's address tells, else us-east-1 */
  region?: string;
  /** In place of the list prices. */
  prices?: Prices;
  /** Of the simulation. @default 1 */
  seed?: number;
  /** How long and how much so many documents, of so many characters each, take through the client. */
  documents?: { documents: number; characters: number; concurrency?: number };
}

const DEFAULTS = {
  ...{ reserved: 50, limit: 100, burstsPerDay: 24, hoursADay: 8, efsMb: 0, seed: 1 },
  ...{ memoryMb: [1769], arch: 'arm64' as Arch, prices: PRICES },
} as const;

/** Everything that a plan says and rests on: its table, its JSON and its page are made of nothing else. */
export interface Plan {
  /** What was measured. */
  runs: RunInfo[];
  answers: { cold: number; warm: number };
  /** What it is for, with every default. */
  setting: Required<Omit<PlanOptions, 'n' | 'provisioned' | 'memoryMb' | 'prices' | 'documents'>> & {
    memoryMb: number;
  };
  prices: { region: string; date: string };
  /** Whether billed time is what REPORT lines told; else it is a bound, up to so many times too much. */
  billed: { byReport: boolean; factor: number | null };
  rows: PlanRow[];
  memory: MemoryRow[];
  documents: DocumentsPlan | null;
  /** What it takes for granted, what it does not model, and what to keep in mind: a sentence each. */
  caveats: string[];
}

/** US dollars a month, for the same bursts. */
export interface Dollars {
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

/**
 * What bursts in other settings would see and cost, from what runs measured: one cold and one warm, several memory sizes.
 *
 * N requests arrive at one instant. The gateway admits as many as its limit has room for, and up to all of them: Kong's
 * `policy: local` checks first and counts later. As many run at once as concurrency is reserved for; provisioned
 * environments take the first, and each of the others waits for an environment of its own, since between bursts those on
 * demand have gone. Latencies are the runs'.
 *
 * @returns rows: what a run measured itself, if its bursts were so; then one for every n and every number of provisioned
 * environments, in that order
 * @throws {InputError} when the runs lack what a plan needs, or options contradict each other
 */
export async function plan(runs: readonly Run[], options: PlanOptions): Promise<Plan> {
  const labels = runs[0]?.info.labels;
  const sizes = options.memoryMb ?? [sizeOf(labels).memoryMb];
  const known = runs.filter(({ info }) => options.memoryMb && sizeOf(info.labels).memoryMb === sizes[0]);
  const mine = known.length > 0 ? known : runs;
  const of = new Set(mine.map(({ info }) => sizeOf(info.labels).memoryMb));
  if (of.size > 1) {
    throw new InputError(`The runs are of different memory (${[...of].join(', ')} MB); say which with --memory.`);
  }
  const region = options.region ?? regionOf(mine[0]?.info.target ?? '') ?? PRICES.region;
  const prices = options.prices ?? pricesOf(region);
  const { reserved, limit, burstsPerDay, hoursADay, efsMb, seed } = { ...DEFAULTS, ...options };
  const { arch = sizeOf(labels).arch } = options;
  // Provisioned concurrency is paid in periods of five minutes.
  const hours = Math.ceil(hoursADay * 12) / 12;
  const setting = { reserved, limit, burstsPerDay, hoursADay: hours, efsMb, seed, arch, region: prices.region };
  const memoryMb = sizes[0] as number;
  const feed = feedOf(mine);
  const planned = { ...setting, n: options.n, provisioned: options.provisioned, memoryMb: [memoryMb], prices };
  const rows = [...measuredRows(mine, planned), ...planFrom(feed, planned)];
  const plan: Plan = {
    runs: runs.map(({ info }) => info),
    answers: { cold: feed.cold.n, warm: feed.warm.n },
    setting: { ...setting, memoryMb },
    prices: { region: prices.region, date: prices.date },
    billed: { byReport: feed.billedByReport, factor: feed.billedFactor ?? null },
    rows,
    memory: sizes.length > 1 ? memoryRows(runs, sizes, prices) : [],
    documents: options.documents
      ? await planDocuments(mine, { ...options.documents, limit, memoryMb, arch, prices })
      : null,
    caveats: [],
  };
  plan.caveats.push(...planCaveats(plan, runs, prices));
  return plan;
}

/** Of each run whose bursts were as a plan's are, what it measured itself. */
function measuredRows(runs: readonly Run[], options: PlanOptions): PlanRow[] {
  return runs.flatMap((run) => {
    const alike = alikeOf(run);
    if (!alike) return [];
    const { n, provisioned, latencies } = alike;
    const reserved = Math.max(provisioned, options.reserved ?? DEFAULTS.reserved);
    const [row] = planFrom(feedOf(runs), { ...options, n: [n], provisioned: [provisioned], reserved });
    const at = (p: number) => latencies.percentile(p) as Estimate;
    return [{ ...(row as PlanRow), p50: at(0.5), p95: at(0.95), p99: at(0.99), measured: true as const }];
  });
}

/** The plan alone, from latencies at hand. A plain list is of one cluster. */
export function planFrom(found: Given, options: PlanOptions): PlanRow[] {
  const pool = (values: Pool | readonly number[]) => (values instanceof Pool ? values : Pool.of(values));
  const feed: Feed = { ...found, warm: pool(found.warm), cold: pool(found.cold) };
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

/** Pools, or plain lists. */
type Given = Omit<Feed, 'warm' | 'cold'> & Record<'warm' | 'cold', Pool | readonly number[]>;

type Setting = Required<Omit<PlanOptions, 'n' | 'provisioned' | 'region' | 'documents'>> & {
  n: number;
  provisioned: number;
};

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
  const { n, provisioned, burstsPerDay, hoursADay, arch, efsMb, prices } = setting;
  const memoryMb = setting.memoryMb[0] as number;
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
  const { onDemand, ...others } = costs;
  return {
    dollarsAMonth: { onDemand: month(onDemand), ...mapValues(others, month) },
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
