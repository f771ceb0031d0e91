import { InputError } from '../input-error.js';
import { ofThisMachine } from '../report/caveats.js';
import { formatCount, formatMs } from '../report/quantity.js';
import type { Run, RunInfo } from '../run/run-file.js';
import { type Arch, fargateTask, PRICES, type Prices, pricesOf, regionOf, sizeOf } from './cost.js';
import { type DocumentsPlan, planDocuments } from './documents.js';
import { type MemoryRow, memoryRows } from './memory.js';
import { alikeOf, feedOf } from './pools.js';
import { DEFAULTS, type PlanRow, planFrom, type RowOptions, STAY_WARM } from './rows.js';
import type { Estimate } from './simulate.js';

export interface PlanOptions extends Omit<RowOptions, 'memoryMb' | 'arch' | 'prices'> {
  /** The function's memory sizes, MB; the first is the one of the rows. @default what the runs are labelled, else 1769 */
  memoryMb?: readonly number[] | undefined;
  /** @default what the runs are labelled, else 'arm64' */
  arch?: Arch | undefined;
  /** Of the list prices. @default what the run's address tells, else us-east-1 */
  region?: string | undefined;
  /** In place of the list prices. */
  prices?: Prices | undefined;
  /** How long and how much so many documents, of so many characters each, take through the client. */
  documents?: { documents: number; characters: number; concurrency?: number | undefined } | undefined;
}

/** Everything that a plan says and rests on: its table, its JSON and its page are made of nothing else. */
export interface Plan {
  /** What was measured. */
  runs: RunInfo[];
  answers: { cold: number; warm: number };
  /** What it is for, with every default. */
  setting: Required<Omit<RowOptions, 'n' | 'provisioned' | 'prices'>> & { region: string };
  prices: { region: string; date: string };
  /** Whether billed time is what REPORT lines told; else it is a bound, up to so many times too much. */
  billed: { byReport: boolean; factor: number | null };
  rows: PlanRow[];
  memory: MemoryRow[];
  documents: DocumentsPlan | null;
  /** What it takes for granted, what it does not model, and what to keep in mind: a sentence each. */
  caveats: string[];
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
export async function plan(all: readonly Run[], options: PlanOptions): Promise<Plan> {
  const { arch, runs } = ofOneArch(all, options.arch);
  const sizes = options.memoryMb ?? [sizeOf(runs[0]?.info.labels).memoryMb];
  const memoryMb = sizes[0] as number;
  const known = runs.filter(({ info }) => options.memoryMb && sizeOf(info.labels).memoryMb === memoryMb);
  const mine = known.length > 0 ? known : runs;
  const of = new Set(mine.map(({ info }) => sizeOf(info.labels).memoryMb));
  if (of.size > 1) {
    throw new InputError(`The runs are of different memory (${[...of].join(', ')} MB); say which with --memory.`);
  }
  const region = options.region ?? regionOf(mine[0]?.info.target ?? '') ?? PRICES.region;
  const { n, provisioned, documents, prices = pricesOf(region) } = options;
  const { reserved, limit, burstsPerDay, efsMb, seed, ...others } = { ...DEFAULTS, ...options };
  // Provisioned concurrency is paid in periods of five minutes.
  const hoursADay = Math.ceil(others.hoursADay * 12) / 12;
  const setting = { reserved, limit, burstsPerDay, hoursADay, efsMb, seed, arch, memoryMb };
  const feed = feedOf(mine);
  const asked = { ...setting, n, provisioned, prices };
  const plan = {
    runs: runs.map(({ info }) => info),
    answers: { cold: feed.cold.n, warm: feed.warm.n },
    setting: { ...setting, region: prices.region },
    prices: { region: prices.region, date: prices.date },
    billed: { byReport: feed.billedByReport, factor: feed.billedFactor ?? null },
    rows: [...measuredRows(mine, asked), ...planFrom(feed, asked)],
    memory: sizes.length > 1 ? memoryRows(runs, sizes, arch, prices) : [],
    documents: documents ? await planDocuments(mine, { ...documents, limit, memoryMb, arch, prices }) : null,
  };
  return { ...plan, caveats: caveats(plan, runs, prices) };
}

/** A plan is of one function. A run without a label may be of any instruction set. */
function ofOneArch(runs: readonly Run[], asked: Arch | undefined): { arch: Arch; runs: readonly Run[] } {
  const labelled = runs.filter(({ info }) => 'arch' in info.labels).map(({ info }) => sizeOf(info.labels).arch);
  if (!asked && new Set(labelled).size > 1) {
    throw new InputError('The runs are of arm64 and of x86_64; say which with --arch.');
  }
  const arch = asked ?? labelled[0] ?? DEFAULTS.arch;
  const others = labelled.includes(arch) ? runs.filter(({ info }) => (info.labels['arch'] ?? arch) === arch) : runs;
  return { arch, runs: others };
}

/** Of each run whose bursts were as a plan's are, what it measured itself. */
function measuredRows(runs: readonly Run[], asked: RowOptions & { reserved: number }): PlanRow[] {
  return runs.flatMap((run) => {
    const alike = alikeOf(run);
    if (!alike) return [];
    const { n, provisioned, latencies } = alike;
    const reserved = Math.max(provisioned, asked.reserved);
    const [row] = planFrom(feedOf(runs), { ...asked, n: [n], provisioned: [provisioned], reserved });
    const at = (p: number) => latencies.percentile(p) as Estimate;
    return [{ ...(row as PlanRow), p50: at(0.5), p95: at(0.95), p99: at(0.99), measured: true as const }];
  });
}

/** What Lambda adds of one function, environments in ten seconds. */
const SCALING = 1000;

/** What a plan takes for granted, what it does not model, and what to keep in mind: a sentence each. */
function caveats(
  { setting, rows, billed, memory, documents }: Omit<Plan, 'caveats'>,
  runs: readonly Run[],
  prices: Prices,
): string[] {
  const { limit, memoryMb, arch, efsMb, burstsPerDay } = setting;
  const left = { timeouts: 0, unknown: 0 };
  for (const { samples } of runs) {
    for (const { outcome, start } of samples) {
      if (outcome === 'timeout') left.timeouts++;
      if (outcome === 'ok' && start === 'unknown') left.unknown++;
    }
  }
  const { cpu, gb } = fargateTask(memoryMb);
  const open = rows.some((row) => [row.p50, row.p95, row.p99].some(({ upper }) => upper === null));
  const own = prices.region === PRICES.region || prices.fargate !== PRICES.fargate;
  const factor = billed.factor === null ? 'nobody knows how many' : `up to ${billed.factor.toFixed(1)}`;
  const most = Math.max(...rows.map(({ n }) => n));
  const lines = [
    'Percentiles are of the requests that are answered at once, [95 % interval] by how many bursts were measured and how they differ.',
    open && '?: too few bursts were measured for this end of the interval.',
    'last answer: refused requests are sent again, no more in flight than environments, no more a minute than the limit; [95 % of bursts].',
    most > limit &&
      `Of more than ${limit} at once Kong admits between ${limit} and all: policy local checks first and counts later. Percentiles, cold and dollars are with all admitted, last answer is with ${limit}.`,
    ...runs.slice(0, 1).flatMap(ofThisMachine),
    'Between bursts all environments on demand have gone. Latencies are the run’s, whatever n: its own n is the best to plan.',
    burstsPerDay > STAY_WARM &&
      `${formatCount(burstsPerDay)} bursts a day: environments stay warm between them, which costs less than this says.`,
    most > SCALING &&
      `Lambda adds ${formatCount(SCALING)} environments in 10 s: of a burst above it some are throttled. Not modelled.`,
    'Not modelled: environments that Lambda initialises ahead by itself, and what logs cost.',
    memory.length === 0 &&
      `${memoryMb} MB changes the price alone; give --memory several sizes, or runs labelled with theirs.`,
    billed.byReport
      ? 'Billed time is what the function’s REPORT lines say.'
      : `Billed time is a bound, what the gateway waited: ${factor} times the function’s own time. Dollars are a bound alike; --report-log reads the truth.`,
    efsMb === 0 && 'Nothing is counted for reading a model from EFS; --efs does it.',
    `Fargate: so many tasks of ${cpu} vCPU and ${gb} GB that always run, one request at a time each, answer 95 % within p95; no load balancer counted.`,
    `Prices of ${prices.region}, ${prices.date}, ${arch}, without free tier and discounts; --region takes others, --prices your own.`,
    !own && `Fargate and EFS at the prices of ${PRICES.region}; provisioned arm64 at 80 % of x86_64, as there.`,
    memory.some(({ measured }) => !measured) &&
      'A predicted memory size: the function’s own times change as its share of a vCPU does, one from 1,769 MB on; measure the one you choose.',
    documents &&
      `Documents: the client’s own filling and pacing, ${documents.concurrency} requests at once, alone on its key; ${formatMs(documents.perRequestMs)} a request and ${documents.perCharacterMs.toPrecision(2)} ms a character, as the run told.`,
    left.timeouts > 0 && `${left.timeouts} requests of the run timed out: true latencies are longer.`,
    left.unknown > 0 && `${left.unknown} answers do not tell cold from warm and are left out.`,
  ];
  return lines.filter((line) => typeof line === 'string');
}
