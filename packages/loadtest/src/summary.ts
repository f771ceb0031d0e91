import { type Percentile, percentile } from './percentile.js';
import { latencyMs, OUTCOMES, type Outcome, type Sample, STARTS, type Start } from './sample.js';

/** Values of one kind, ms. */
export interface Distribution {
  n: number;
  min: number;
  p50: Percentile;
  p95: Percentile;
  max: number;
}

export interface Summary {
  /** The sum of `outcomes`. */
  sent: number;
  outcomes: Record<Outcome, number>;
  /** How many answers had each HTTP status. */
  statuses: Record<string, number>;
  /** Latency of the `ok` requests alone, ms; null where there is none. */
  latency: Record<Start, Distribution | null>;
  /** Initialisation of the cold starts as the function reports it, ms; null when it does not. */
  init: Distribution | null;
  /** How many answers came from environments of each init type. */
  initTypes: Record<string, number>;
}

/** Counts every sample once, and describes the latency of cold and of warm answers apart. */
export function summarise(samples: readonly Sample[]): Summary {
  const outcomes = count(samples.map((sample) => sample.outcome));
  const latency = (start: Start) => distribution(samples.filter((sample) => sample.start === start).map(latencyMs));
  return {
    sent: samples.length,
    outcomes: Object.fromEntries(OUTCOMES.map((outcome) => [outcome, outcomes[outcome] ?? 0])) as Summary['outcomes'],
    statuses: count(samples.map((sample) => sample.status)),
    latency: Object.fromEntries(STARTS.map((start) => [start, latency(start)])) as Summary['latency'],
    init: distribution(samples.filter((sample) => sample.start === 'cold').map((sample) => sample.initMs)),
    initTypes: count(samples.map((sample) => sample.initType)),
  };
}

function distribution(values: readonly (number | null)[]): Distribution | null {
  const sorted = values.filter((value) => value !== null).sort((a, b) => a - b);
  const [min, max] = [sorted[0], sorted.at(-1)];
  if (min === undefined || max === undefined) return null;
  return { n: sorted.length, min, p50: percentile(sorted, 0.5), p95: percentile(sorted, 0.95), max };
}

function count(values: readonly (string | number | null)[]): Record<string, number> {
  // A plain object would have names of its own, and what a header says is anything: constructor, toString.
  const counts = new Map<string | number, number>();
  for (const value of values) if (value !== null) counts.set(value, (counts.get(value) ?? 0) + 1);
  return Object.fromEntries(counts);
}
