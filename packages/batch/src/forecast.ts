import { type Arch, cpuShare, fargateCost, PRICES, type Prices, pricesOf, runCost } from '@burst-ner/loadtest/prices';

/** Where the worker runs, as infra makes it unless it is told otherwise. */
export interface Size {
  memoryMb: number;
  arch: Arch;
  region: string;
}

/** How fast the worker is. */
export interface Speed {
  /** Milliseconds for each byte of a file, and for each part besides. */
  perByteMs: number;
  perPartMs: number;
  /** Until a new environment begins. */
  initMs: number;
  /** Whether anybody measured it. */
  measured: boolean;
}

/** How long a run takes, and what AWS bills at list prices, US dollars. */
export interface Forecast {
  parts: number;
  concurrency: number;
  seconds: number;
  /** The region of the prices: us-east-1 where the lists have none of the worker's. */
  pricesOf: string;
  usd: { lambda: number; states: number; s3: number; total: number };
  /** The same documents through Kong at its default limit. */
  kong: { requests: number; seconds: number; usd: number };
  /** The same work on one vCPU of Fargate a task, all tasks together. */
  fargate: { hours: number; usd: number };
}

/**
 * List prices of us-east-1, 2026-11-27: a state transition of a standard workflow
 * (https://aws.amazon.com/step-functions/pricing/), a PUT or LIST and a GET of S3 (https://aws.amazon.com/s3/pricing/).
 */
const USD = { transition: 0.000025, put: 0.000005, get: 0.0000004 };
/** Of a part: the start of its workflow, Work, Whole? and Done. */
const TRANSITIONS = 4;
/** Bytes that the worker reads at once. */
const BLOCK = 2 * 2 ** 20;
/** What a request through Kong holds, how many Kong lets through a minute, and the client sends at once. */
const KONG = { texts: 1024, characters: 250_000, requestsAMinute: 100, atOnce: 5 };

/** Characters a second on one vCPU, about what `npm run bench -- scale` prints of one core. A plan by it says so. */
const ASSUMED = 250_000;

export function assumedSpeed(bytes: number, characters: number, { memoryMb }: Pick<Size, 'memoryMb'>): Speed {
  const perCharacter = 1000 / ASSUMED / cpuShare(memoryMb);
  return { perByteMs: (perCharacter * characters) / bytes, perPartMs: 300, initMs: 500, measured: false };
}

/**
 * The parts one after another, each to the environment that is free first.
 *
 * @param lengths of the parts, bytes
 */
export function forecast(
  lengths: readonly number[],
  work: { documents: number; characters: number },
  speed: Speed,
  concurrency: number,
  size: Size,
): Forecast {
  const { memoryMb, arch, region } = size;
  const prices = pricesNear(region);
  const free = new Float64Array(Math.min(concurrency, lengths.length)).fill(speed.initMs);
  let workMs = 0;
  for (const bytes of lengths) {
    const ms = speed.perPartMs + bytes * speed.perByteMs;
    workMs += ms;
    let first = 0;
    for (let slot = 1; slot < free.length; slot++) if ((free[slot] ?? 0) < (free[first] ?? 0)) first = slot;
    free[first] = (free[first] ?? 0) + ms;
  }
  const bytes = lengths.reduce((sum, length) => sum + length, 0);
  const lambda = runCost(
    lengths.length,
    (workMs + speed.initMs * free.length) / lengths.length,
    memoryMb,
    arch,
    prices,
  );
  const states = lengths.length * TRANSITIONS * USD.transition;
  const s3 = lengths.length * 2 * USD.put + (bytes / BLOCK + lengths.length) * USD.get;
  const requests = Math.ceil(Math.max(work.documents / KONG.texts, work.characters / KONG.characters));
  const pureMs = bytes * speed.perByteMs;
  return {
    parts: lengths.length,
    concurrency,
    seconds: Math.max(0, ...free) / 1000,
    pricesOf: prices.region,
    usd: { lambda, states, s3, total: lambda + states + s3 },
    kong: {
      requests,
      seconds: Math.max((requests / KONG.requestsAMinute) * 60, pureMs / 1000 / Math.min(requests, KONG.atOnce)),
      usd: runCost(requests, pureMs / requests, memoryMb, arch, prices),
    },
    fargate: { hours: workMs / 3_600_000, usd: fargateCost(1, workMs / 3_600_000, { memoryMb, arch }, prices) },
  };
}

/** A run must be followed in any region, though the public tables do not cover all. */
export function pricesNear(region: string): Prices {
  try {
    return pricesOf(region);
  } catch {
    return PRICES;
  }
}

/** What was billed for work that is done, US dollars. */
export function spent(objects: readonly { ms: number; memoryMb: number; arch: Arch }[], prices: Prices): number {
  const lambda = objects.reduce((sum, { ms, memoryMb, arch }) => sum + runCost(1, ms, memoryMb, arch, prices), 0);
  return lambda + objects.length * (TRANSITIONS * USD.transition + 2 * USD.put);
}
