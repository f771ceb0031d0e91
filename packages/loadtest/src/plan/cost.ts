import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { InputError } from '../input-error.js';
import published from './prices.json' with { type: 'json' };
import regions from './regions.json' with { type: 'json' };

export type Arch = 'arm64' | 'x86_64';

const usd = z.number().nonnegative();
const about = <T extends string>(unit: T) => ({ unit: z.literal(unit), source: z.string() });
const flat = <T extends string>(unit: T) => z.strictObject({ usd, ...about(unit) });
const byArch = <T extends string>(unit: T) => z.strictObject({ x86_64: usd, arm64: usd, ...about(unit) });

const PriceList = z.strictObject({
  /** When they were written down, ISO 8601. */
  date: z.iso.date(),
  region: z.string(),
  lambda: z.strictObject({
    request: flat('request'),
    /** While a request runs, or an environment initialises on demand. */
    duration: byArch('GB-second'),
    /** While an environment is kept initialised, busy or not. */
    provisioned: byArch('GB-second'),
    /** While a request runs in such an environment. */
    provisionedDuration: byArch('GB-second'),
  }),
  fargate: z.strictObject({ cpu: byArch('vCPU-hour'), memory: byArch('GB-hour') }),
  efs: z.strictObject({ elasticRead: flat('GB') }),
});
export type Prices = z.infer<typeof PriceList>;

/** List prices without free tier, volume tiers or discounts, each with its source. */
export const PRICES: Prices = PriceList.parse(published);

/** The provisioned prices of arm64 against those of x86_64 where the table has none: as in us-east-1. */
const ARM = 0.8;

/**
 * The list prices of a region: Lambda's own; Fargate's and EFS's are those of us-east-1.
 *
 * @throws {InputError} for a region that the table does not have
 */
export function pricesOf(region: string): Prices {
  if (region === PRICES.region) return PRICES;
  const lists: Record<string, number[]> = regions.lambda;
  const found = Object.hasOwn(lists, region) ? lists[region] : undefined;
  if (!found) {
    const names = [PRICES.region, ...Object.keys(lists)].join(', ');
    throw new InputError(`No prices of ${region} are known; give --prices, or one of ${names}.`);
  }
  const [usd, x86_64, arm64, kept, busy] = found as [number, number, number, number, number];
  const { lambda } = PRICES;
  return {
    ...PRICES,
    region,
    date: regions.date,
    lambda: {
      request: { ...lambda.request, usd },
      duration: { ...lambda.duration, x86_64, arm64 },
      provisioned: { ...lambda.provisioned, x86_64: kept, arm64: ARM * kept },
      provisionedDuration: { ...lambda.provisionedDuration, x86_64: busy, arm64: ARM * busy },
    },
  };
}

/** The region of an AWS address, as in x.lambda-url.eu-west-1.on.aws; undefined where it tells none. */
export function regionOf(target: string): string | undefined {
  return /\.([a-z]{2}(?:-[a-z]+)+-\d)\.(?:on\.aws|amazonaws\.com)(?=[:/]|$)/.exec(target)?.[1];
}

/** The part of a vCPU that Lambda gives to one thread: a whole one from 1,769 MB on. */
export const cpuShare = (memoryMb: number) => Math.min(1, memoryMb / 1769);

/**
 * Prices of one's own, in the form of src/prices.json.
 *
 * @throws {InputError} for a file that cannot be read or has another form
 */
export function readPrices(file: string): Prices {
  let found: unknown;
  try {
    found = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new InputError(
      code
        ? `Cannot read ${file} (${code}); give a file of prices.`
        : `${file} is not JSON; give a file of prices in the form that \`burst-ner-load plan --print-prices\` prints.`,
    );
  }
  const parsed = PriceList.safeParse(found);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const where = issue?.path.length ? `"${issue.path.join('.')}"` : 'the whole';
  throw new InputError(
    `${file}, ${where}: ${issue?.message}; \`burst-ner-load plan --print-prices\` prints a file of the right form.`,
  );
}

/** Hours of a month, as AWS's own calculator has it: 365 × 24 / 12. */
export const MONTH_HOURS = 730;
export const MONTH_DAYS = MONTH_HOURS / 24;

/** What a function is, for its price. */
export interface Size {
  memoryMb: number;
  arch: Arch;
}

/** What a run's labels say of it, else what infra/ makes. */
export function sizeOf(labels: Readonly<Record<string, string>> = {}): Size {
  return { memoryMb: Number(labels['memory'] ?? 1769), arch: labels['arch'] === 'x86_64' ? 'x86_64' : 'arm64' };
}

/**
 * What requests cost on Lambda on demand, US dollars.
 *
 * @param billedMs of each request, initialisation included
 */
export function runCost(requests: number, billedMs: number, memoryMb: number, arch: Arch, prices = PRICES): number {
  return requests * (prices.lambda.request.usd + gbSeconds(billedMs, memoryMb) * prices.lambda.duration[arch]);
}

/** What requests cost in provisioned environments, on top of what these cost anyway. US dollars. */
export function provisionedRunCost(requests: number, billedMs: number, { memoryMb, arch }: Size, prices = PRICES) {
  const { request, provisionedDuration } = prices.lambda;
  return requests * (request.usd + gbSeconds(billedMs, memoryMb) * provisionedDuration[arch]);
}

/** What it costs to keep environments initialised for so many hours, US dollars. */
export function provisionedCost(environments: number, hours: number, { memoryMb, arch }: Size, prices = PRICES) {
  return environments * gbSeconds(hours * 3_600_000, memoryMb) * prices.lambda.provisioned[arch];
}

/** The sizes of a Fargate task that a function of Lambda may need: vCPU, and the memory they may have, GB. */
const FARGATE_SIZES = [
  { cpu: 0.25, least: 0.5, most: 2 },
  { cpu: 0.5, least: 1, most: 4 },
  { cpu: 1, least: 2, most: 8 },
  { cpu: 2, least: 4, most: 16 },
] as const;

/**
 * The Fargate task that stands for one environment: the smallest that has the CPU that Lambda gives for this memory, up
 * to one (a request has one thread, which more does not make faster), and may have this memory.
 *
 * @see https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html#fargate-tasks-size
 */
export function fargateTask(memoryMb: number): { cpu: number; gb: number } {
  const share = cpuShare(memoryMb);
  const size = FARGATE_SIZES.find(({ cpu, most }) => cpu >= share && 1024 * most >= memoryMb) ?? FARGATE_SIZES[3];
  // Beyond half a GB, whole ones.
  return { cpu: size.cpu, gb: memoryMb <= 1024 * size.least ? size.least : Math.ceil(memoryMb / 1024) };
}

/** What Fargate tasks cost that run for so many hours, US dollars. */
export function fargateCost(tasks: number, hours: number, { memoryMb, arch }: Size, { fargate } = PRICES): number {
  const { cpu, gb } = fargateTask(memoryMb);
  return tasks * hours * (cpu * fargate.cpu[arch] + gb * fargate.memory[arch]);
}

function gbSeconds(ms: number, memoryMb: number): number {
  return (ms / 1000) * (memoryMb / 1024);
}
