export { InputError } from './input-error.js';
export { type Burst, type BurstOptions, runBurst } from './load/burst.js';
export { type LoopOptions, runLoop } from './load/loop.js';
export { type RateOptions, runRate, type Stage } from './load/rate.js';
export { type Payload, Requests } from './load/requests.js';
export { TargetError } from './load/target-error.js';
export { type Plan, type PlanOptions, plan } from './plan/plan.js';
export { type Feed, feedOf } from './plan/pools.js';
export { type PlanRow, planFrom, type RowOptions } from './plan/rows.js';
export { type BurstInfo, type Run, type RunInfo, readRun } from './run/run-file.js';
export {
  type Answer,
  type LatencyFrom,
  latencyMs,
  NO_ANSWER,
  NO_REPORT,
  type Outcome,
  type Sample,
  type Start,
} from './run/sample.js';
export { type Kept, Samples } from './run/samples.js';
export { type Comparison, compare, type Effect } from './statistics/compare.js';
export { type Judgement, judge } from './statistics/judgement.js';
export { type Percentile, rankInterval } from './statistics/percentile.js';
export { Pool } from './statistics/pool.js';
export { criticalT } from './statistics/student.js';
export { type Distribution, type Summary, summarise } from './statistics/summary.js';
export { parseThreshold, type Threshold, type Verdict } from './statistics/threshold.js';
