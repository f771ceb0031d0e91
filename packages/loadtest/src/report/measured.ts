import type { Run } from '../run/run-file.js';
import { type LatencyFrom, latencyFrom, latencyMs, STARTS, type Start } from '../run/sample.js';
import type { Kept } from '../run/samples.js';
import { median } from '../statistics/percentile.js';

/** What a request is drawn as: the start of its answer, or why there is none. */
export const KINDS = [...STARTS, 'refused', 'failed'] as const;
export type Kind = (typeof KINDS)[number];

/** A request on the time axis of its burst, or of a run without bursts; ms. */
export interface Request {
  burst: number;
  /** When its latency begins. */
  fromMs: number;
  /** When its answer was complete, or, of a time-out, when it was given up. */
  toMs: number;
  kind: Kind;
}

/** Where the time of the answers of one class went. */
export interface Breakdown {
  start: Start;
  /** Median of the latencies, ms. */
  totalMs: number;
  /** The median of each part that answers told of, ms, in the order in which they happen; and of the rest. */
  parts: Partial<Record<Part, number>>;
}

/** In the order in which they happen; `rest` is the network, Lambda, and all else that nobody reports. */
export const PARTS = ['Kong', 'runtime start', 'init', 'model load', 'NER', 'rest'] as const;
export type Part = (typeof PARTS)[number];

export interface Measured {
  /** Latencies of `ok` answers, ms, ascending. */
  latencies: Record<Start, Float64Array>;
  breakdowns: Breakdown[];
  /** Those whose end is known, in the order of the run. */
  requests: Request[];
}

/** What the figures need, in one walk through the samples. */
export function figuresOf({ info, samples }: Run): Measured {
  const from: LatencyFrom = latencyFrom(info.mode);
  const latencies = Object.fromEntries(STARTS.map((start) => [start, [] as number[]])) as Record<Start, number[]>;
  const parts = new Map<Start, Map<Part, number[]>>();
  const requests: Request[] = [];
  for (const sample of samples) {
    const request = toRequest(sample, from, info.timeoutMs);
    if (request) requests.push(request);
    const latency = latencyMs(sample, from);
    if (latency === null) continue;
    latencies[sample.start].push(latency);
    const mine = parts.get(sample.start) ?? new Map<Part, number[]>();
    parts.set(sample.start, mine);
    let rest = latency;
    for (const [part, ms] of told(sample)) {
      rest -= ms;
      push(mine, part, ms);
    }
    // Each clock rounds its own way.
    push(mine, 'rest', Math.max(0, rest));
  }
  const sorted = Object.fromEntries(
    STARTS.map((start) => [start, Float64Array.from(latencies[start]).sort()]),
  ) as Measured['latencies'];
  const breakdowns = STARTS.flatMap((start): Breakdown[] => {
    const mine = parts.get(start);
    if (!mine) return [];
    const medians = PARTS.flatMap((part) => (mine.has(part) ? [[part, median(mine.get(part) ?? [])]] : []));
    return [{ start, totalMs: median(sorted[start]), parts: Object.fromEntries(medians) }];
  });
  return { latencies: sorted, breakdowns, requests };
}

/** The parts of an answer's time that headers or a REPORT line tell. A warm answer waited for no initialisation. */
function* told({ start, kongMs, initMs, loadMs, nerMs, reportInitMs }: Kept): Iterable<[Part, number]> {
  if (kongMs !== null) yield ['Kong', kongMs];
  if (start === 'cold' && initMs !== null) {
    if (reportInitMs !== null) yield ['runtime start', Math.max(0, reportInitMs - initMs)];
    yield ['init', Math.max(0, initMs - (loadMs ?? 0))];
    if (loadMs !== null) yield ['model load', loadMs];
  }
  if (nerMs !== null) yield ['NER', nerMs];
}

function toRequest(
  { burst, sentMs, intendedMs, lastByteMs, outcome, start }: Kept,
  from: LatencyFrom,
  timeoutMs: number,
): Request | undefined {
  const toMs = outcome === 'timeout' ? sentMs + timeoutMs : lastByteMs;
  if (toMs === null) return undefined;
  const refused = outcome === 'kong-429' || outcome === 'lambda-429';
  const kind = outcome === 'ok' ? start : refused ? 'refused' : 'failed';
  return { burst, fromMs: from === 'sent' ? sentMs : intendedMs, toMs, kind };
}

function push(map: Map<Part, number[]>, part: Part, ms: number): void {
  const values = map.get(part);
  if (values) values.push(ms);
  else map.set(part, [ms]);
}
