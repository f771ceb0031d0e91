import { InputError } from '../input-error.js';
import type { Run } from '../run/run-file.js';
import { latencyMs } from '../run/sample.js';
import type { Kept } from '../run/samples.js';
import { clusterer, Pool } from '../statistics/pool.js';
import type { Pools } from './simulate.js';

/** What a run tells a plan. */
export interface Feed extends Pools {
  /** What Lambda bills for an answer of each kind, mean, ms. */
  billedMs: { warm: number; cold: number };
  /** Whether REPORT lines told what was billed; else it is what the gateway or the client waited, which is more. */
  billedByReport: boolean;
}

/** Lambda cuts an init on demand after so long, and runs it again inside the first invoke. */
export const INIT_LIMIT_MS = 10_000;
/** The function's time-out, in which an init that was cut must fit. */
const TIMEOUT_MS = 30_000;

/**
 * The latencies of a run, warm and cold apart, as its answers said of themselves. An init that was cut is in the latency
 * of its request as it was on the target. What is not told, and time-outs, is left out.
 *
 * @param initMs the median initialisation to plan with in place of the run's; each cold start's is scaled alike
 * @throws {InputError} when there is no cold or no warm answer, or an init that cannot be changed so
 */
export function feedOf(run: Run, initMs?: number): Feed {
  const from = run.info.mode === 'rate' ? 'intended' : 'sent';
  const warm: Answer[] = [];
  const cold: Answer[] = [];
  let billedByReport = true;
  const cluster = clusterer(run.samples);
  for (const sample of run.samples) {
    const ms = latencyMs(sample, from);
    if (ms === null || sample.start === 'unknown') continue;
    billedByReport &&= sample.billedMs !== null;
    const billedMs = sample.billedMs ?? sample.upstreamMs ?? ms;
    const initMs = sample.reportInitMs ?? sample.initMs;
    (sample.start === 'cold' ? cold : warm).push({ ms, billedMs, initMs, cluster: cluster(sample) });
  }
  if (cold.length === 0) {
    throw new InputError(
      'The run has no cold answer to plan from; measure one with --cold idle, restart or config-bump, or whose first burst comes after hours of silence.',
    );
  }
  if (warm.length === 0) {
    throw new InputError(
      'The run has no warm answer to plan from; measure one with --cold none and two bursts or more, or with provisioned environments.',
    );
  }
  const planned = initMs === undefined ? cold : withInit(cold, initMs);
  return {
    warm: poolOf(warm),
    cold: poolOf(planned),
    billedMs: { warm: mean(warm), cold: mean(planned) },
    billedByReport,
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

interface Answer extends Pick<Kept, 'initMs'> {
  ms: number;
  billedMs: number;
  cluster: number;
}

/** Takes each cold start's init out of its latency, and puts the scaled one in: twice where it is or would be cut. */
function withInit(cold: readonly Answer[], medianMs: number): Answer[] {
  const inits = cold.flatMap(({ initMs }) => initMs ?? []).sort((a, b) => a - b);
  const median = inits[Math.ceil(inits.length / 2) - 1];
  if (median === undefined || inits.length < cold.length) {
    throw new InputError('--init needs the init time of every cold answer, which this run does not have.');
  }
  return cold.map(({ ms, billedMs, initMs, cluster }) => {
    const before = initMs ?? 0;
    const after = (before * medianMs) / median;
    // A request whose init was cut has waited for the limit and for the second init.
    const cut = ms >= before + INIT_LIMIT_MS;
    const change = after + (after > INIT_LIMIT_MS ? INIT_LIMIT_MS : 0) - before - (cut ? INIT_LIMIT_MS : 0);
    if (after > TIMEOUT_MS) {
      throw new InputError(
        `With --init ${medianMs / 1000}s an init takes ${(after / 1000).toFixed(1)} s: it is cut, and when it runs again the function's time-out of ${TIMEOUT_MS / 1000} s ends it, so the request fails.`,
      );
    }
    return { ms: ms + change, billedMs: billedMs + change, initMs: after, cluster };
  });
}

function poolOf(answers: readonly Answer[]): Pool {
  return Pool.of(
    answers.map(({ ms }) => ms),
    answers.map(({ cluster }) => cluster),
  );
}

function mean(answers: readonly Answer[]): number {
  return answers.reduce((sum, { billedMs }) => sum + billedMs, 0) / answers.length;
}
