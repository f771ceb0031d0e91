export { type Burst, type BurstOptions, runBurst } from './burst.js';
export { type Percentile, percentile } from './percentile.js';
export type { Answer, Outcome, Sample, Start } from './sample.js';
export { type Distribution, type Summary, summarise } from './summary.js';
export { TargetError } from './target-error.js';
