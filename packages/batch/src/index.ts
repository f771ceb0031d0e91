export { Account } from './account.js';
export { OFFSETS, type Offsets } from './books.js';
export { collected, writeAll } from './collect.js';
export { BatchError } from './errors.js';
export type { Forecast, Size, Speed } from './forecast.js';
export { type Place, parseFolder, parsePlace } from './place.js';
export { measure, type Plan, type PlanOptions, plan, planOnPaper } from './plan.js';
export type { Records } from './records.js';
export {
  cancel,
  describeMachine,
  type Execution,
  type Machine,
  retryFailed,
  type Started,
  type StartOptions,
  start,
} from './run.js';
export { type FailedPart, Follower, type Status } from './status.js';
