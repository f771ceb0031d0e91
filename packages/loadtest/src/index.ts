export { type Burst, type BurstOptions, runBurst } from './burst.js';
export { type Comparison, compare, type Effect } from './compare.js';
export { InputError } from './input-error.js';
export { type Judgement, judge } from './judgement.js';
export { type Percentile, percentile, rankInterval } from './percentile.js';
export { type PlanOptions, type PlanRow, plan, planFrom } from './plan.js';
export { type Feed, feedOf } from './pools.js';
export { type RateOptions, runRate } from './rate.js';
export { type BurstInfo, type Run, type RunInfo, readRun } from './run-file.js';
export {
  type Answer,
  type LatencyFrom,
  latencyMs,
  NO_ANSWER,
  NO_REPORT,
  type Outcome,
  type Sample,
  type Start,
} from './sample.js';
export { type Kept, Samples } from './samples.js';
export { type Distribution, type Summary, summarise } from './summary.js';
export { TargetError } from './target-error.js';
export { parseThreshold, type Threshold, type Verdict } from './threshold.js';
export { type Validation, validate } from './validate.js';
