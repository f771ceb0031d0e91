import type { BurstInfo, Run } from '../run/run-file.js';
import { type LatencyFrom, latencyFrom, latencyMs, OUTCOMES, type Outcome, STARTS, type Start } from '../run/sample.js';
import type { Kept } from '../run/samples.js';
import type { Percentile } from './percentile.js';
import { clusterer, Pool } from './pool.js';
import { type Window, Windows } from './windows.js';

/** Values of one kind, ms. */
export interface Distribution {
  /** Complete ones. */
  n: number;
  /** Time-outs: longer than all complete ones, nobody knows how long. The percentiles count them. */
  censored: number;
  /** Bursts, or blocks of time where there are none, that they are of. */
  clusters: number;
  /** Of the complete ones; null without any. */
  min: number | null;
  p50: Percentile;
  p90: Percentile;
  p95: Percentile;
  p99: Percentile;
  /** Of the complete ones; null without any. */
  max: number | null;
}

export interface Summary {
  /** The sum of `outcomes`. */
  sent: number;
  outcomes: Record<Outcome, number>;
  /** How many answers had each HTTP status. */
  statuses: Record<string, number>;
  /** Latency of `ok` answers and time-outs, ms, by start and together; null where there is neither. */
  latency: Record<Start | 'all', Distribution | null>;
  /** What it describes: time-outs, whose start nobody knows, are infinite. Not in the JSON. */
  pools: Record<Start | 'all', Pool>;
  /** Of `ok` answers, a second, from the first request of each burst (or of the run) to its last answer; null without any. */
  throughput: { requests: number; documents: number; bytes: number } | null;
  /** Initialisation of the cold starts as the function reports it, ms; null when it does not. */
  init: Distribution | null;
  /** How many answers came from environments of each init type. */
  initTypes: Record<string, number>;
  /** In order of time, those that answers told of. */
  windows: Window[];
  /** Requests of others with the same key, in the window that had most of them. */
  others: number;
}

/**
 * Counts every sample once, and describes the latency of cold, initialised-ahead and warm answers apart.
 *
 * @param bursts when each burst was released, so that windows of the rate limit that bursts share are told; none where
 * the samples' times are on one axis already
 */
export function summarise(samples: Iterable<Kept>, from: LatencyFrom, bursts: readonly BurstInfo[] = []): Summary {
  const outcomes = mapOf(OUTCOMES, () => 0);
  const pools = mapOf([...STARTS, 'all'], () => new Pool());
  const init = new Pool();
  const cluster = clusterer(samples);
  // What a header says is anything: constructor, toString. A plain object would have these already.
  const [statuses, initTypes] = [new Map<number, number>(), new Map<string, number>()];
  const releases = new Map(bursts.map(({ burst, releasedAt }) => [burst, Date.parse(releasedAt)]));
  const windows = new Windows();
  /** Of each burst, from its first request to its last answer. */
  const spans = new Map<number, { from: number; to: number }>();
  const done = { requests: 0, documents: 0, bytes: 0 };
  let sent = 0;
  for (const sample of samples) {
    sent++;
    const span = spans.get(sample.burst) ?? { from: sample.sentMs, to: sample.sentMs };
    spans.set(sample.burst, span);
    span.from = Math.min(span.from, sample.sentMs);
    if (sample.outcome === 'ok' && sample.lastByteMs !== null) {
      span.to = Math.max(span.to, sample.lastByteMs);
      done.requests++;
      done.documents += sample.documents;
      done.bytes += sample.bytes ?? 0;
    }
    outcomes[sample.outcome]++;
    const ms = sample.outcome === 'timeout' ? Number.POSITIVE_INFINITY : latencyMs(sample, from);
    const mine = cluster(sample);
    if (ms !== null) for (const pool of [pools.all, pools[sample.start]]) pool.push(ms, mine);
    if (sample.start === 'cold' && sample.initMs !== null) init.push(sample.initMs, mine);
    if (sample.status !== null) increment(statuses, sample.status);
    if (sample.initType !== null) increment(initTypes, sample.initType);
    windows.see(sample, releases.size === 0 ? 0 : releases.get(sample.burst));
  }
  const seconds = [...spans.values()].reduce((sum, { from, to }) => sum + to - from, 0) / 1000;
  const perSecond = (count: number) => count / seconds;
  return {
    sent,
    outcomes,
    statuses: Object.fromEntries(statuses),
    latency: mapOf([...STARTS, 'all'], (name) => distribution(pools[name])),
    pools,
    throughput:
      seconds > 0
        ? { requests: perSecond(done.requests), documents: perSecond(done.documents), bytes: perSecond(done.bytes) }
        : null,
    init: distribution(init),
    initTypes: Object.fromEntries(initTypes),
    windows: windows.inOrder(),
    others: windows.others,
  };
}

export const summaryOf = ({ samples, info, bursts }: Run) => summarise(samples, latencyFrom(info.mode), bursts);

function distribution(pool: Pool): Distribution | null {
  const { sorted, complete, clusters } = pool;
  if (sorted.length === 0) return null;
  const at = (p: number) => pool.percentile(p);
  const n = complete.length;
  return {
    ...{ n, censored: sorted.length - n, min: complete[0] ?? null, clusters },
    ...{ p50: at(0.5), p90: at(0.9), p95: at(0.95), p99: at(0.99), max: complete.at(-1) ?? null },
  };
}

function mapOf<Key extends string, Value>(keys: readonly Key[], of: (key: Key) => Value): Record<Key, Value> {
  return Object.fromEntries(keys.map((key) => [key, of(key)])) as Record<Key, Value>;
}

function increment<Key>(counts: Map<Key, number>, key: Key): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
