import { type Percentile, percentile } from './percentile.js';
import type { BurstInfo } from './run-file.js';
import { type LatencyFrom, latencyMs, OUTCOMES, type Outcome, STARTS, type Start } from './sample.js';
import type { Kept } from './samples.js';

/** Values of one kind, ms. */
export interface Distribution {
  /** Complete ones. */
  n: number;
  /** Time-outs: longer than all complete ones, nobody knows how long. The percentiles count them. */
  censored: number;
  /** Of the complete ones; null without any. */
  min: number | null;
  p50: Percentile;
  p90: Percentile;
  p95: Percentile;
  p99: Percentile;
  /** Of the complete ones; null without any. */
  max: number | null;
}

/** What the gateway admitted in one calendar minute of its own. */
export interface Window {
  /** Answers that passed the rate limit. A request without an answer may have passed it too. */
  admitted: number;
  /** Answers `kong-429`. */
  refused: number;
  /** What the key may send in it. More admitted is over-admission. */
  limit: number;
}

export interface Summary {
  /** The sum of `outcomes`. */
  sent: number;
  outcomes: Record<Outcome, number>;
  /** How many answers had each HTTP status. */
  statuses: Record<string, number>;
  /** Latency of `ok` answers and time-outs, ms, by start and together; null where there is neither. */
  latency: Record<Start | 'all', Distribution | null>;
  /** Initialisation of the cold starts as the function reports it, ms; null when it does not. */
  init: Distribution | null;
  /** How many answers came from environments of each init type. */
  initTypes: Record<string, number>;
  /** In order of time, those that answers told of. */
  windows: Window[];
}

/**
 * Counts every sample once, and describes the latency of cold, initialised-ahead and warm answers apart.
 *
 * @param bursts when each burst was released, so that windows of the rate limit that bursts share are told; none where
 * the samples' times are on one axis already
 */
export function summarise(samples: Iterable<Kept>, from: LatencyFrom, bursts: readonly BurstInfo[] = []): Summary {
  const outcomes = Object.fromEntries(OUTCOMES.map((outcome) => [outcome, 0])) as Record<Outcome, number>;
  const latency = Object.fromEntries(STARTS.map((start) => [start, new Values()])) as Record<Start, Values>;
  const [all, init] = [new Values(), new Values()];
  // What a header says is anything: constructor, toString. A plain object would have these already.
  const [statuses, initTypes] = [new Map<number, number>(), new Map<string, number>()];
  const windows = new Windows(bursts);
  let sent = 0;
  for (const sample of samples) {
    sent++;
    outcomes[sample.outcome]++;
    for (const values of [all, latency[sample.start]]) {
      if (sample.outcome === 'timeout') values.censored++;
      else values.push(latencyMs(sample, from));
    }
    if (sample.start === 'cold') init.push(sample.initMs);
    if (sample.status !== null) increment(statuses, sample.status);
    if (sample.initType !== null) increment(initTypes, sample.initType);
    windows.add(sample);
  }
  const described = STARTS.map((start) => [start, latency[start].describe()]);
  return {
    sent,
    outcomes,
    statuses: Object.fromEntries(statuses),
    latency: Object.fromEntries([...described, ['all', all.describe()]]) as Summary['latency'],
    init: init.describe(),
    initTypes: Object.fromEntries(initTypes),
    windows: windows.inOrder(),
  };
}

class Values {
  censored = 0;
  readonly #values: number[] = [];

  push(value: number | null): void {
    if (value !== null) this.#values.push(value);
  }

  describe(): Distribution | null {
    if (this.#values.length + this.censored === 0) return null;
    const sorted = Float64Array.from(this.#values).sort();
    const at = (p: number) => percentile(sorted, p, this.censored);
    return {
      ...{ n: sorted.length, censored: this.censored, min: sorted[0] ?? null },
      ...{ p50: at(0.5), p90: at(0.9), p95: at(0.95), p99: at(0.99), max: sorted.at(-1) ?? null },
    };
  }
}

const WINDOW_MS = 60_000;

/**
 * Tells the gateway's windows apart by when each ends: `ratelimit-reset`, whole seconds, after the request was sent. The
 * ends lie whole minutes apart, whatever the gateway's clock says, give or take that second and the way to it.
 */
class Windows {
  readonly #releases: Map<number, number>;
  readonly #found = new Map<number, Window>();
  #firstEndMs: number | undefined;

  constructor(bursts: readonly BurstInfo[]) {
    this.#releases = new Map(bursts.map(({ burst, releasedAt }) => [burst, Date.parse(releasedAt)]));
  }

  add({ burst, sentMs, outcome, limit, resetS }: Kept): void {
    const releasedMs = this.#releases.size === 0 ? 0 : this.#releases.get(burst);
    if (limit === null || resetS === null || releasedMs === undefined) return;
    const endMs = releasedMs + sentMs + resetS * 1000;
    this.#firstEndMs ??= endMs;
    const which = Math.round((endMs - this.#firstEndMs) / WINDOW_MS);
    const window = this.#found.get(which) ?? { admitted: 0, refused: 0, limit };
    if (outcome === 'kong-429') window.refused++;
    else window.admitted++;
    this.#found.set(which, window);
  }

  inOrder(): Window[] {
    return [...this.#found].sort(([a], [b]) => a - b).map(([, window]) => window);
  }
}

function increment<Key>(counts: Map<Key, number>, key: Key): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
