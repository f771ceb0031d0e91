import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { InputError } from '../input-error.js';
import { runBurst } from '../load/burst.js';
import { Requests } from '../load/requests.js';
import { latencyMs, type Sample } from '../run/sample.js';
import type { Percentile } from '../statistics/percentile.js';
import { Pool } from '../statistics/pool.js';
import type { PlanRow } from './plan.js';
import { INIT_LIMIT_MS } from './pools.js';
import type { Pools } from './simulate.js';

/**
 * How much longer each request holds its environment, ms for each request of the burst; measured latencies are without
 * it. One process is client, gateway and function's front here, and lets a burst in more slowly than AWS does: an
 * environment must not be free again before the last request has come.
 */
const HELD_MS = 50;

/** What a validation needs of packages/emulator. */
export type StartEmulator = (options: {
  kong: string;
  service: string;
  handler: string;
  python: string;
  model: string;
  provisioned: number;
  reserved: number;
  startsAtOnce: number;
  idleMs: number;
  env: Record<string, string>;
  now: () => number;
  signal?: AbortSignal;
}) => Promise<{
  endpoint: string;
  keys: { 'load-generator': string };
  environments(): readonly unknown[];
  close(): Promise<void>;
}>;

/** @throws {InputError} when packages/emulator is not installed */
export async function loadEmulator(name = '@burst-ner/emulator'): Promise<StartEmulator> {
  try {
    return ((await import(name)) as { startEmulator: StartEmulator }).startEmulator;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw error;
    throw new InputError(`--validate needs ${name}, which is not installed here; add it beside this package.`);
  }
}

export interface ValidateOptions {
  startEmulator: StartEmulator;
  /** An interpreter with awslambdaric. @default 'packages/service/.venv/bin/python' */
  python?: string;
  /** Of each row. @default 5 */
  bursts?: number;
  /** Requests a calendar minute that the gateway admits. @default 100 */
  limit?: number;
  onBurst?: (row: PlanRow, burst: number) => void;
  signal?: AbortSignal;
}

/** Requests of all bursts of one row, by what became of them at first. */
export const FATES = ['warm', 'cold', 'kong-429', 'lambda-429', 'failed'] as const;
export type Fate = (typeof FATES)[number];

/** A row beside what the emulator measured. */
export interface Validation {
  row: PlanRow;
  p50: Percentile;
  p95: Percentile;
  counts: Record<Fate, { predicted: readonly [least: number, most: number]; measured: number }>;
  /** What gateway, runtime and this machine took on top of the function's times, ms: the median request. */
  ownMs: number;
}

/**
 * Fires the bursts of a plan at the emulated Kong and Lambda, whose function waits as long as the run's did: real
 * processes, sockets and queues in place of the simulation's rules.
 *
 * @param pools what the plan was made of
 * @throws {InputError} when the emulator does not start
 */
export async function validate(
  pools: Pools,
  rows: readonly PlanRow[],
  options: ValidateOptions,
): Promise<Validation[]> {
  const folder = await mkdtemp(path.join(tmpdir(), 'burst-ner-plan-'));
  try {
    const kong = path.join(folder, 'kong.yaml');
    await writeFile(kong, kongYaml(options.limit ?? 100));
    const times = path.join(folder, 'times.json');
    const median = pools.warm.percentile(0.5).value as number;
    const init = Array.from(pools.cold.sorted, (ms) => Math.max(0, ms - median));
    const all = [];
    for (const row of rows) {
      const heldMs = HELD_MS * Math.max(10, row.n);
      const [first, ...warm] = [median, ...pools.warm.sorted].map((ms) => ms + heldMs);
      await writeFile(times, JSON.stringify({ init, first, warm, limit: INIT_LIMIT_MS }));
      all.push(await measureRow(row, { ...options, kong, times, heldMs }));
    }
    return all;
  } finally {
    await rm(folder, { recursive: true });
  }
}

interface Prepared extends ValidateOptions {
  kong: string;
  times: string;
  heldMs: number;
}

async function measureRow(row: PlanRow, options: Prepared): Promise<Validation> {
  const { n, provisioned, reserved } = row;
  const { kong, times, heldMs, startEmulator, bursts = 5, onBurst, signal } = options;
  const { python = 'packages/service/.venv/bin/python' } = options;
  let burst = 0;
  const emulator = await startEmulator({
    ...{ kong, python, model: times, provisioned, reserved, startsAtOnce: n, env: {} },
    service: path.join(
      path.dirname(createRequire(import.meta.url).resolve('@burst-ner/loadtest/package.json')),
      'python',
    ),
    handler: 'sleeper.handler',
    // Environments on demand have gone before the next burst.
    idleMs: 1,
    // Every burst has a minute of its own.
    now: () => burst * 60_000,
    ...(signal && { signal }),
  }).catch((error: Error) => {
    throw new InputError(`The emulator does not start: ${error.message}.`);
  });
  try {
    const samples: Sample[] = [];
    const apiKey = emulator.keys['load-generator'];
    // The first one opens connections and has code compiled; it is not counted.
    for (; burst <= bursts; burst++) {
      signal?.throwIfAborted();
      onBurst?.(row, burst);
      while (emulator.environments().length > provisioned) await sleep(20);
      const load = { url: new URL(emulator.endpoint), apiKey, requests: Requests.of('-'), n, burst };
      const fired = await runBurst({ ...load, ...(signal && { signal }) });
      if (burst > 0) samples.push(...fired.samples);
    }
    signal?.throwIfAborted();
    return { row, ...describe(row, samples, bursts, heldMs) };
  } finally {
    await emulator.close();
  }
}

function describe(row: PlanRow, samples: readonly Sample[], bursts: number, heldMs: number): Omit<Validation, 'row'> {
  const answered = samples.flatMap((sample) => {
    const ms = latencyMs(sample, 'sent');
    const waited = (sample.nerMs ?? 0) + (sample.start === 'cold' ? (sample.initMs ?? 0) : 0);
    return ms === null ? [] : [{ ms: ms - heldMs, ownMs: ms - waited, burst: sample.burst }];
  });
  if (answered.length === 0) throw new InputError('No request of the validation succeeded.');
  const pool = (of: (one: (typeof answered)[number]) => number) =>
    Pool.of(
      answered.map(of),
      answered.map(({ burst }) => burst),
    );
  const latencies = pool(({ ms }) => ms);
  const predicted = predictedCounts(row);
  const counts = FATES.map((fate) => {
    const [least, most] = predicted[fate];
    const measured = samples.filter((sample) => fateOf(sample) === fate).length;
    return [fate, { predicted: [least * bursts, most * bursts], measured }];
  });
  return {
    p50: latencies.percentile(0.5),
    p95: latencies.percentile(0.95),
    counts: Object.fromEntries(counts) as Validation['counts'],
    ownMs: pool(({ ownMs }) => ownMs).percentile(0.5).value as number,
  };
}

function fateOf({ outcome, start }: Sample): Fate {
  if (outcome === 'ok') return start === 'cold' ? 'cold' : 'warm';
  return outcome === 'kong-429' || outcome === 'lambda-429' ? outcome : 'failed';
}

function predictedCounts({ n, provisioned, kong429, lambda429 }: PlanRow): Record<Fate, readonly [number, number]> {
  const served = [n - kong429[1] - lambda429[0], n - kong429[0] - lambda429[1]] as const;
  const [least, most] = served.map((count) => Math.min(count, provisioned)) as [number, number];
  return {
    warm: [least, most],
    cold: [served[0] - least, served[1] - most],
    'kong-429': kong429,
    'lambda-429': lambda429,
    failed: [0, 0],
  };
}

export type Agreement = 'agrees' | 'differs' | 'undecided';

/**
 * Whether the emulator agrees: the same counts, and percentiles within 5 % and the emulator's own time. Undecided where
 * too few answers leave an interval without an end.
 */
export function agreement({ row, p50, p95, counts, ownMs }: Validation): Agreement {
  const near = (predicted: number, { lower, upper }: Percentile) =>
    (lower ?? 0) <= predicted * 1.05 + ownMs && (upper ?? Number.POSITIVE_INFINITY) >= predicted * 0.95;
  const within = ({ predicted: [least, most], measured }: Validation['counts'][Fate]) =>
    measured >= least && measured <= most;
  if (!(near(row.p50.value, p50) && near(row.p95.value, p95) && Object.values(counts).every(within))) return 'differs';
  return [p50, p95].some(({ lower, upper }) => lower === null || upper === null) ? 'undecided' : 'agrees';
}

/** The route of kong/kong.yaml, with one consumer and this limit; its function is on this machine, and gets no key. */
function kongYaml(limit: number): string {
  return `_format_version: "3.0"
services:
  - name: nlp-ner-service
    url: '\${{ env "DECK_NER_FUNCTION_URL" }}'
    read_timeout: 45000
    retries: 0
    routes:
      - {name: nlp-ner-route, methods: [POST], paths: [/nlp/ner], strip_path: true}
    plugins:
      - {name: key-auth, config: {key_names: [apikey], hide_credentials: true}}
      - {name: rate-limiting, config: {minute: ${limit}, policy: local, limit_by: consumer}}
consumers:
  - username: load-generator
    keyauth_credentials: [{key: '\${{ env "DECK_LOAD_GENERATOR_KEY" }}'}]
`;
}
