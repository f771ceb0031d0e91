import { OUTCOMES, type Outcome, STARTS, type Start } from '../run/sample.js';
import type { Summary } from './summary.js';

const KINDS = ['all', 'cold', 'ahead', 'warm'] as const;
const PERCENTILES = ['p50', 'p90', 'p95', 'p99'] as const;
const STATISTICS = [...PERCENTILES, 'max'] as const;
/** Outcomes that tell of the target; `cut` tells of who stopped the run. */
const COUNTED = OUTCOMES.filter((outcome) => outcome !== 'ok' && outcome !== 'cut');

/** What a threshold or a comparison is about. */
export type Metric =
  | { name: string; of: 'latency'; kind: (typeof KINDS)[number]; statistic: (typeof STATISTICS)[number] }
  | { name: string; of: 'share'; what: Outcome | 'cold' };

export const METRICS: readonly Metric[] = [
  ...KINDS.flatMap((kind) =>
    STATISTICS.map((statistic) => ({ name: `${kind}.${statistic}`, of: 'latency' as const, kind, statistic })),
  ),
  { name: 'cold.share', of: 'share', what: 'cold' },
  ...COUNTED.map((what) => ({ name: what, of: 'share' as const, what })),
];

/**
 * A metric's value: ms, or a share between 0 and 1. Null where there is nothing that it is of; infinite where it falls
 * among the time-outs.
 */
export function read(metric: Metric, { latency, outcomes, sent }: Summary): number | null {
  if (metric.of === 'latency') {
    const found = latency[metric.kind];
    if (!found) return null;
    if (metric.statistic === 'max') return found.censored > 0 ? Number.POSITIVE_INFINITY : found.max;
    return found[metric.statistic].value ?? Number.POSITIVE_INFINITY;
  }
  if (metric.what !== 'cold') return sent === 0 ? null : outcomes[metric.what] / sent;
  const known = STARTS.filter((start) => start !== 'unknown').map((start: Start) => latency[start]?.n ?? 0);
  const all = known.reduce((sum, n) => sum + n, 0);
  return all === 0 ? null : (latency.cold?.n ?? 0) / all;
}
