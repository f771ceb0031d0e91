import type { Plan } from '../../src/plan/plan.js';
import type { PlanRow } from '../../src/plan/rows.js';
import type { BurstInfo, Run, RunInfo } from '../../src/run/run-file.js';
import { NO_ANSWER, NO_REPORT, type Sample } from '../../src/run/sample.js';
import { Samples } from '../../src/run/samples.js';

/** A warm answer after so many ms, sent 1 ms after its release. */
export const sample = (ms: number, more: Partial<Sample> = {}): Sample => ({
  ...{
    ...NO_ANSWER,
    ...NO_REPORT,
    burst: 0,
    index: 0,
    documents: 1,
    characters: 92,
    bytes: 103,
    intendedMs: 0,
    sentMs: 1,
    firstByteMs: 1 + ms,
    lastByteMs: 1 + ms,
  },
  ...{ error: null, outcome: 'ok', status: 200, start: 'warm', ...more },
});

export const INFO: RunInfo = {
  startedAt: '2026-11-23T22:40:00.000Z',
  target: 'http://127.0.0.1:8000/nlp/ner',
  ...{ mode: 'bursts', n: 20, bursts: 1, everyMs: null, rate: null, stages: null, durationMs: null, cold: 'none' },
  text: {
    ...{ characters: 92, sha256: '5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef' },
    ...{ requests: 1, documents: 1 },
  },
  ...{ timeoutMs: 60_000, pair: null, labels: {}, version: null },
};

/** A run that ended by itself, with a burst line for each burst of `info`. */
export function run(samples: Iterable<Sample>, info: Partial<RunInfo> = {}, more: Partial<Run> = {}): Run {
  const asked = { ...INFO, ...info };
  const bursts = Array.from({ length: asked.mode === 'bursts' ? asked.bursts : 0 }, (_, burst): BurstInfo => {
    const releasedMs = Date.parse(asked.startedAt) + burst * (asked.everyMs ?? 0);
    return { burst, releasedAt: new Date(releasedMs).toISOString(), spreadMs: 0.24 };
  });
  return { info: asked, samples: Samples.from(samples), bursts, end: 'complete', ...more };
}

/**
 * Bursts such as a real target gives, the same each time: of each, some answers are cold and the others warm.
 *
 * @param refused of each burst, by the gateway
 */
export function bursts(count: number, n: number, { cold, refused = 0 }: { cold: number; refused?: number }): Sample[] {
  const random = generator(7);
  const noise = (spread: number) => Math.exp(spread * (random() + random() + random() - 1.5));
  return Array.from({ length: count * n }, (_, i) => {
    const [burst, index] = [Math.floor(i / n), i % n];
    const kong = { burst, index, kongMs: 2, limit: 100, remaining: Math.max(0, 99 - index), resetS: 40 };
    if (index >= n - refused)
      return sample(3 * noise(0.3), { ...kong, outcome: 'kong-429', status: 429, start: 'unknown' });
    const instance = `environment-${index}`;
    const warm = { ...kong, instance, nerMs: 6 * noise(0.2), initMs: 640, loadMs: 410, initType: 'on-demand' };
    if (index >= cold) return sample(21 * noise(0.35), warm);
    const initMs = 640 * noise(0.25);
    return sample(initMs + 480 * noise(0.3), { ...warm, start: 'cold', initMs, loadMs: 0.64 * initMs });
  });
}

export const repeat = (times: number, ...values: number[]) => Array.from({ length: times }, () => values).flat();

/** A burst for each median, of five answers around it. */
export const samplesOf = (medians: readonly number[], more: Partial<Sample> = {}): Sample[] =>
  medians.flatMap((ms, burst) => [0.5, 0.8, 1, 2, 9].map((times) => sample(ms * times, { burst, ...more })));

export const runOf = (medians: readonly number[], info: Partial<RunInfo> = {}): Run =>
  run(samplesOf(medians), { n: 5, bursts: medians.length, ...info });

/** Numbers from 0 to 1, the same ones each time (a linear congruential generator, as of Numerical Recipes). */
export function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

const at = (p50: number, p95: Partial<PlanRow['p95']> & { value: number }) => ({
  p50: { value: p50, lower: null, upper: null },
  p95: { lower: null, upper: null, ...p95 },
  p99: { value: p95.value, lower: null, upper: null },
  drainMs: { value: p95.value, lower: null, upper: null },
});
const ROW = { n: 20, reserved: 50, kong429: [0, 0], lambda429: [0, 0], avoidedColdStart: null } as const;
const NEVER = { provisioned: null, scheduled: null, fargate: null };
const ON_DEMAND: PlanRow = {
  ...{ ...ROW, provisioned: 0, ...at(1120, { value: 1300, lower: 1280, upper: 1330 }), coldShare: 1 },
  ...{
    dollarsAMonth: { onDemand: 0.44, provisioned: 0.44, scheduled: 0.44, fargate: 28.84 },
    breakEven: NEVER,
    fargateTasks: 1,
  },
};
/** What was measured; the same, planned; and twenty environments provisioned. */
const ROWS: PlanRow[] = [
  { ...ON_DEMAND, measured: true },
  ON_DEMAND,
  {
    ...{ ...ROW, provisioned: 20, ...at(21, { value: 28 }), coldShare: 0 },
    ...{
      dollarsAMonth: { onDemand: 0.44, provisioned: 350, scheduled: 117, fargate: 548 },
      breakEven: NEVER,
      fargateTasks: 19,
    },
  },
];
export const PLAN: Plan = {
  ...{ runs: [INFO], answers: { cold: 12, warm: 8 }, billed: { byReport: false, factor: 1.3 }, documents: null },
  setting: {
    ...{ reserved: 50, limit: 100, burstsPerDay: 24, hoursADay: 8, efsMb: 0, seed: 1, arch: 'arm64' },
    ...{ region: 'us-east-1', memoryMb: 2048 },
  },
  prices: { region: 'us-east-1', date: '2026-11-23' },
  rows: ROWS,
  memory: [512, 1024].map((memoryMb) => ({
    ...{ memoryMb, from: 1024, measured: memoryMb === 1024, cold: null, usd: 0.02 },
    warm: { value: 40_960 / memoryMb, lower: null, upper: null },
  })),
  caveats: ['Prices of us-east-1, 2026-11-23.'],
};
