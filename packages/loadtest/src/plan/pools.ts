import { InputError } from '../input-error.js';
import type { Run } from '../run/run-file.js';
import { latencyFrom, latencyMs } from '../run/sample.js';
import { clusterer, Pool } from '../statistics/pool.js';
import type { Pools } from './simulate.js';

/** One answer, and what it tells of where its time went, ms. */
export interface Told {
  ms: number;
  /** From its REPORT line; else the most that it can be: what the gateway, or the client, waited. */
  billedMs: number;
  /** What the function itself told of, initialisation included: the least that can be billed; null when it did not. */
  ownMs: number | null;
  nerMs: number | null;
  characters: number | null;
  cluster: number;
}

/** What runs tell a plan. */
export interface Feed extends Pools {
  /** What Lambda bills for an answer of each kind, mean, ms. */
  billedMs: { warm: number; cold: number };
  /** Whether REPORT lines told what was billed; else it is a bound. */
  billedByReport: boolean;
  /** How many times too much the bound may be, by the function's own times; null when nobody knows. */
  billedFactor?: number | null;
}

/** The answers of runs, warm and cold apart, as they said of themselves. What is not told, and time-outs, is left out. */
export function answersOf(runs: readonly Run[]): { warm: Told[]; cold: Told[]; byReport: boolean } {
  const found = { warm: [] as Told[], cold: [] as Told[], byReport: true };
  for (const [at, run] of runs.entries()) {
    const from = latencyFrom(run.info.mode);
    const cluster = clusterer(run.samples);
    for (const sample of run.samples) {
      const ms = latencyMs(sample, from);
      if (ms === null || sample.start === 'unknown') continue;
      const cold = sample.start === 'cold';
      const { billedMs, nerMs, characters } = sample;
      const initMs = sample.reportInitMs ?? sample.initMs;
      found.byReport &&= billedMs !== null;
      found[cold ? 'cold' : 'warm'].push({
        ...{ ms, billedMs: billedMs ?? sample.upstreamMs ?? ms, nerMs, characters },
        ownMs: nerMs === null ? null : nerMs + (cold ? (initMs ?? 0) : 0),
        // Bursts of two runs are different ones.
        cluster: cluster(sample) + at * 2 ** 20,
      });
    }
  }
  return found;
}

/**
 * What a plan is made of. An init that was cut is in the latency of its request as it was on the target.
 *
 * @throws {InputError} when there is no cold or no warm answer
 */
export function feedOf(runs: readonly Run[]): Feed {
  const { warm, cold, byReport } = answersOf(runs);
  const of = runs.length === 1 ? 'The run has' : 'The runs have';
  if (cold.length === 0) {
    throw new InputError(
      `${of} no cold answer to plan from; measure one with --cold idle, restart or config-bump, or whose first burst comes after hours of silence, and give both files.`,
    );
  }
  if (warm.length === 0) {
    throw new InputError(
      `${of} no warm answer to plan from; measure one with --cold none and two bursts or more, or with provisioned environments, and give both files.`,
    );
  }
  const known = [...warm, ...cold].filter((one) => (one.ownMs ?? 0) > 0);
  const sum = (of: (one: Told) => number) => known.reduce((total, one) => total + of(one), 0);
  return {
    ...{ warm: poolOf(warm), cold: poolOf(cold) },
    billedMs: { warm: meanBilled(warm), cold: meanBilled(cold) },
    billedByReport: byReport,
    billedFactor: known.length > 0 ? Math.max(1, sum((one) => one.billedMs) / sum((one) => one.ownMs ?? 0)) : null,
  };
}

/** Bursts of the run that are as a plan's are: all answered, and only provisioned environments were initialised before. */
export interface Alike {
  n: number;
  provisioned: number;
  /** Latencies of their answers, ms. */
  latencies: Pool;
}

/** @returns null when the run has no such burst */
export function alikeOf({ info, samples }: Run): Alike | null {
  const bursts = new Map<number, { latencies: number[]; provisioned: Set<string>; other: number }>();
  for (const sample of info.mode === 'bursts' ? samples : []) {
    const burst = bursts.get(sample.burst) ?? { latencies: [], provisioned: new Set(), other: 0 };
    bursts.set(sample.burst, burst);
    const ms = latencyMs(sample, 'sent');
    if (ms === null) continue;
    burst.latencies.push(ms);
    // One environment may answer two requests of a burst.
    if (sample.initType === 'provisioned' && sample.instance !== null) burst.provisioned.add(sample.instance);
    else if (sample.start !== 'cold') burst.other++;
  }
  const settings = new Map<number, Pool>();
  for (const [burst, { latencies, provisioned, other }] of bursts) {
    if (other > 0 || latencies.length !== info.n) continue;
    const pool = settings.get(provisioned.size) ?? new Pool();
    settings.set(provisioned.size, pool);
    for (const ms of latencies) pool.push(ms, burst);
  }
  const [commonest] = [...settings].sort(([, one], [, other]) => other.n - one.n);
  if (!commonest || info.n === null) return null;
  const [provisioned, latencies] = commonest;
  return { n: info.n, provisioned, latencies };
}

export function poolOf(answers: readonly Pick<Told, 'ms' | 'cluster'>[]): Pool {
  return Pool.of(
    answers.map(({ ms }) => ms),
    answers.map(({ cluster }) => cluster),
  );
}

export function meanBilled(answers: readonly Told[]): number {
  return answers.reduce((sum, { billedMs }) => sum + billedMs, 0) / answers.length;
}
