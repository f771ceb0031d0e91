import type { Run } from '../run/run-file.js';
import type { Summary } from '../statistics/summary.js';
import { caveats, verdict } from './sentences.js';

/** A run for machines: what was asked for, what came of it, and what to keep in mind. Times are ms. */
export function jsonReport(run: Run, summary: Summary): object {
  const { info, bursts, end } = run;
  return { run: info, end, bursts, verdict: verdict(run, summary), ...summary, caveats: caveats(run, summary) };
}
